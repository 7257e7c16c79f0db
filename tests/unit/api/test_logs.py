"""What is written into the log, and how."""

import asyncio
import gc
import io
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

import orjson
import pytest
from loguru import logger

from bootstrap.logs import configure_logs
from tests.integration.api.service import logs_restored, settings
from usecases.tracing import request_id


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    with logs_restored():
        yield


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_its_facts_and_the_request() -> None:
    configure_logs(settings(log_format="json"), stream := io.StringIO())
    bound = request_id.set("r-4711")
    logger.bind(story_id="s-1", words=3).info("Story ready")
    request_id.reset(bound)

    [line] = lines(stream)
    assert datetime.fromisoformat(str(line.pop("time"))).utcoffset() == timedelta(0)
    assert line == {
        "level": "INFO",
        "message": "Story ready",
        "logger": __name__,
        "story_id": "s-1",
        "words": 3,
        "request_id": "r-4711",
    }


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_a_value_cannot_forge_a_line(log_format: str) -> None:
    configure_logs(settings(log_format=log_format), stream := io.StringIO())
    logger.bind(name="a\nb\x1b[31m").info("one\r\ntwo {not_a_field} <red>")

    written = stream.getvalue()
    assert written.count("\n") == 1
    assert "\x1b[31m" not in written
    assert "{not_a_field} <red>" in written


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_an_exception_is_written_without_the_values_of_variables(log_format: str) -> None:
    configure_logs(settings(log_format=log_format), stream := io.StringIO())
    password, nothing = "hunter2", dict[int, str]()
    try:
        nothing[len(password)]
    except KeyError:
        logger.exception("Unexpected error")

    assert "KeyError: 7" in stream.getvalue()
    assert "hunter2" not in stream.getvalue().replace('password = "hunter2"', "")


def test_libraries_speak_through_the_same_channel_and_the_talkative_are_quiet() -> None:
    configure_logs(settings(log_format="json"), stream := io.StringIO())
    logging.getLogger("arq.worker").info("%s jobs", 3)
    logging.getLogger("uvicorn.access").info("GET /graphql?password=hunter2")
    logging.getLogger("uvicorn.error").info('("203.0.113.9", 1) - "WebSocket /graphql" [accepted]')
    logging.getLogger("uvicorn.error").warning("Exceeded")

    assert [(line["logger"], line["message"]) for line in lines(stream)] == [
        ("arq.worker", "3 jobs"),
        ("uvicorn.error", "Exceeded"),
    ]


def test_the_level_is_a_setting() -> None:
    configure_logs(settings(log_format="json", log_level="WARNING"), stream := io.StringIO())
    logger.info("quiet")
    logger.warning("loud")

    assert [line["message"] for line in lines(stream)] == ["loud"]


async def test_a_good_bye_that_nobody_heard_is_no_error() -> None:
    configure_logs(settings(log_format="json"), stream := io.StringIO())

    async def _terminate_graceful_close() -> None:
        raise TimeoutError

    async def anything_else() -> None:
        raise TimeoutError

    for unheard in (_terminate_graceful_close, anything_else):
        task = asyncio.create_task(unheard())
        await asyncio.wait({task})
        del task
        gc.collect()

    [line] = lines(stream)
    assert "anything_else" in str(line["message"])
