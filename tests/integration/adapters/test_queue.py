"""arq's queue on a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import orjson
import pytest
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from adapters.queue import CALL_OFF, ArqQueue, arq_redis_settings, called_off
from domain.jobs import Job
from tests.fakes.clock import START
from tests.servers import Server


def a_job(**known: object) -> Job:
    return Job.model_validate(
        {
            "kind": "send_delivery",
            "task": {},
            "dedupe_key": "delivery:1",
            "created_at": START,
            "run_at": START,
            **known,
        }
    )


async def queued(redis: Redis) -> list[bytes]:
    return list(await redis.zrange("arq:queue", 0, -1))


async def test_a_wake_up_names_the_job_in_json(redis: Redis) -> None:
    job = a_job()
    await ArqQueue(redis).wake([job])

    (turn,) = await queued(redis)
    message = orjson.loads(await redis.get(b"arq:job:" + turn))
    assert (message["f"], message["a"], message["k"]) == ("run_job", [str(job.id)], {})


async def test_wake_ups_for_one_turn_fall_together(redis: Redis) -> None:
    queue, job = ArqQueue(redis), a_job()
    await queue.wake([job, job])
    await asyncio.gather(*(queue.wake([job]) for _ in range(5)))
    assert len(await queued(redis)) == 1


@pytest.mark.parametrize(
    "changed", [{"attempt": 1}, {"run_at": START + timedelta(milliseconds=1)}, {"id": uuid7()}]
)
async def test_another_turn_is_another_wake_up(redis: Redis, changed: dict[str, object]) -> None:
    queue, job = ArqQueue(redis), a_job()
    await queue.wake([job])
    await queue.wake([job.model_copy(update=changed)])
    assert len(await queued(redis)) == 2


async def test_jobs_are_called_off_by_message(redis: Redis) -> None:
    jobs = [uuid7(), uuid7()]
    calls = called_off(redis)
    first = asyncio.ensure_future(anext(calls))
    await _is_heard(redis)
    await ArqQueue(redis).call_off(jobs)
    async with asyncio.timeout(5):
        assert [await first, await anext(calls)] == jobs
    await calls.aclose()


async def test_calling_off_is_heard_again_after_a_restart(own_redis: Server) -> None:
    job_id = uuid7()
    async with Redis.from_url(own_redis.url) as redis:
        calls = called_off(redis)
        call = asyncio.ensure_future(anext(calls))
        await _is_heard(redis)
        await own_redis.restart()
        await _is_heard(redis)
        await ArqQueue(redis).call_off([job_id])
        async with asyncio.timeout(5):
            assert await call == job_id
        await calls.aclose()


def test_a_worker_is_told_to_survive_faults_of_redis() -> None:
    settings = arq_redis_settings("rediss://user:secret@cache.example.org:6380/3")
    assert (settings.host, settings.port, settings.database) == ("cache.example.org", 6380, 3)
    assert (settings.username, settings.password, settings.ssl) == ("user", "secret", True)
    assert settings.retry is not None
    assert settings.retry_on_error
    assert settings.retry_on_timeout


async def _is_heard(redis: Redis) -> None:
    """Wait until somebody listens: Redis tells it to whom it asks only."""
    async with asyncio.timeout(10):
        async for listeners in _listeners(redis):
            if listeners:
                return


async def _listeners(redis: Redis) -> AsyncIterator[int]:
    while True:
        ((_, count),) = await redis.pubsub_numsub(CALL_OFF)
        yield count
        await asyncio.sleep(0.02)
