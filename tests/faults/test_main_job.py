"""What may die between a request and its story, and what its reader sees of it."""

import asyncio
import signal
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.clients.person import ADDRESS, Person
from tests.clients.reader import Reader
from tests.deployment import Deployment
from tests.gemini_server import (
    Behaviour,
    GeminiServer,
    block_prompt,
    cut_after,
    hang,
    hang_after,
    refuse,
    tell_story,
)
from tests.servers import Server
from tests.smtp_server import SmtpServer

FIRST_WORDS = "The fox sat still and waited. The owl waited too. Then both of them "
"""What the model says of a chapter before it falls silent."""


RUNNING = """
{ administration { runningJobs(queue: STORIES) { nodes { kind attempt progress progressTotal } } } }
"""


async def test_another_worker_goes_on_from_the_last_stored_chapter(
    ada: Person, deployment: Deployment, gemini: GeminiServer, mail_server: SmtpServer
) -> None:
    gemini.script(tell_story, tell_story, hang_after(FIRST_WORDS))
    story_id = await ada.request(chapters=2)
    reader = Reader()
    await ada.follow(story_id, reader, until="ChapterCompleted")
    await gemini.arrived(3)
    await ada.follow(story_id, reader, until="TextAppended")
    assert await _running(ada, deployment) == [
        {"kind": "write_story", "attempt": 1, "progress": 1, "progressTotal": 2}
    ]

    await deployment.kill(deployment.workers[0])
    deployment.start_worker()
    await ada.follow(story_id, reader)

    assert reader.end == "StoryReady"
    assert "StoryRestarted" in reader.kinds
    assert "The owl waited too" not in reader.text
    stored = await ada.stored(story_id)
    assert reader.text == stored["text"]
    assert stored["attempts"] == 2
    assert len(gemini.calls) == 4, "the plan and the first chapter are paid for once"
    await mail_server.mail_to(ADDRESS, count=2)
    assert len(mail_server.mails_to(ADDRESS)) == 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_client_resumes_by_cursor_when_the_api_restarts(
    ada: Person, deployment: Deployment, gemini: GeminiServer, how: signal.Signals
) -> None:
    gemini.pause = 1.5  # so that the story is still being written when the API is back
    story_id = await ada.request(chapters=2)
    reader = Reader()
    await ada.follow(story_id, reader, until="TextAppended")

    async def restart() -> None:
        await deployment.restart_api(how)
        gemini.pause = 0.5

    async with asyncio.TaskGroup() as meanwhile:
        meanwhile.create_task(restart())
        await ada.keep_following(story_id, reader)

    assert reader.kinds.count("StorySnapshot") == 1, "the cursor was enough"
    assert "StoryGap" not in reader.kinds
    assert reader.text == (await ada.stored(story_id))["text"]


async def test_a_story_is_written_though_redis_forgot_that_it_was_asked_for(
    ada: Person, deployment: Deployment, redis: Redis
) -> None:
    await deployment.stop_worker()
    story_id = await ada.request()
    await redis.flushdb()

    deployment.start_worker()
    reader = Reader()
    await ada.follow(story_id, reader)

    assert reader.end == "StoryReady"
    assert reader.text == (await ada.stored(story_id))["text"]


async def test_stories_are_written_though_redis_died_before_a_worker_took_them(
    fragile_ada: Person, fragile: Deployment, own_redis: Server
) -> None:
    await fragile.stop_worker()
    before = await fragile_ada.request()
    await own_redis.kill()
    meanwhile = await fragile_ada.request()
    assert (await fragile_ada.stored(meanwhile))["status"] == "QUEUED"
    await own_redis.start()

    fragile.start_worker()
    for story_id in (before, meanwhile):
        reader = Reader()
        await fragile_ada.keep_following(story_id, reader)
        stored = await fragile_ada.stored(story_id)
        assert (reader.end, stored["status"]) == ("StoryReady", "READY")
        assert reader.text == stored["text"]


async def test_a_follower_is_told_when_redis_forgets_in_the_middle(
    ada: Person, gemini: GeminiServer, redis: Redis
) -> None:
    gemini.pause = 0.2
    story_id = await ada.request(chapters=3)
    reader = Reader()
    await ada.follow(story_id, reader, until="ChapterCompleted")

    await redis.flushdb()
    await ada.follow(story_id, reader)

    assert reader.end == "StoryReady"
    assert "StoryGap" in reader.kinds
    assert reader.text == (await ada.stored(story_id))["text"]


async def test_redis_restarts_while_a_story_is_written(
    fragile_ada: Person, gemini: GeminiServer, own_redis: Server
) -> None:
    gemini.pause = 0.3
    story_id = await fragile_ada.request(chapters=2)
    reader = Reader()
    await fragile_ada.follow(story_id, reader, until="TextAppended")

    async with asyncio.TaskGroup() as meanwhile:
        meanwhile.create_task(_restart(own_redis))
        await fragile_ada.keep_following(story_id, reader)

    assert reader.end == "StoryReady"
    assert reader.text == (await fragile_ada.stored(story_id))["text"]


async def test_postgresql_restarts_while_a_story_is_written(
    fragile_ada: Person, gemini: GeminiServer, own_postgres: Server
) -> None:
    gemini.pause = 0.3
    story_id = await fragile_ada.request(chapters=3)
    reader = Reader()
    await fragile_ada.follow(story_id, reader, until="ChapterCompleted")

    async with asyncio.TaskGroup() as meanwhile:
        meanwhile.create_task(_restart(own_postgres))
        await fragile_ada.keep_following(story_id, reader)

    assert reader.end == "StoryReady"
    assert reader.text == (await fragile_ada.stored(story_id))["text"]


async def test_a_mail_waits_for_its_server(
    ada: Person, deployment: Deployment, mail_server: SmtpServer
) -> None:
    await mail_server.stop()
    story_id = await ada.request()
    reader = Reader()
    await ada.follow(story_id, reader)
    async with asyncio.timeout(10):
        while "Job will be tried again" not in deployment.log("worker"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # only its log tells

    await mail_server.start()
    mail = await mail_server.mail_to(ADDRESS, count=2, within=30)
    assert (await ada.stored(story_id))["title"] in mail.subject


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(refuse(429, retry_after=1), id="429"),
        pytest.param(refuse(500), id="500"),
        pytest.param(hang, id="hang"),
        pytest.param(cut_after(FIRST_WORDS), id="cut"),
    ],
)
async def test_a_story_gets_over_a_passing_fault_of_the_model(
    ada: Person, gemini: GeminiServer, fault: Behaviour
) -> None:
    gemini.script(tell_story, fault)
    story_id = await ada.request(chapters=2)
    reader = Reader()
    await ada.follow(story_id, reader)

    assert reader.end == "StoryReady"
    stored = await ada.stored(story_id)
    assert reader.text == stored["text"]
    assert (stored["storyteller"], stored["model"]) == ("gemini", "gemini-2.5-flash")
    assert stored["usage"]["outputTokens"] > 0
    assert len(gemini.calls) == 4


async def test_a_blocked_story_says_so(ada: Person, gemini: GeminiServer) -> None:
    gemini.script(block_prompt())
    story_id = await ada.request(idea="something that the model refuses")
    reader = Reader()
    await ada.follow(story_id, reader)

    assert reader.end == "StoryFailed"
    stored = await ada.stored(story_id)
    assert stored["status"] == "BLOCKED"
    assert stored["failure"]["code"] == "CONTENT_BLOCKED"


async def test_cancelling_a_running_story_ends_the_paid_request(
    ada: Person, deployment: Deployment, gemini: GeminiServer
) -> None:
    await deployment.stop_worker()
    # The next beat of its lease would be too late to tell the worker.
    deployment.settings = {**deployment.settings, "JOB_LEASE_SECONDS": "30"}
    deployment.start_worker()
    gemini.script(tell_story, hang_after(FIRST_WORDS))
    story_id = await ada.request(chapters=1)
    reader = Reader()
    await ada.follow(story_id, reader, until="TextAppended")

    data = await ada.api.execute(
        "mutation($id: ID!) { cancelStory(input: { storyId: $id }) { __typename } }",
        {"id": story_id},
        token=ada.token,
    )
    assert data["cancelStory"]["__typename"] == "CancelStorySuccess"
    async with asyncio.timeout(1):
        await gemini.hung_up()
    await ada.follow(story_id, reader)
    assert reader.end == "StoryCanceled"
    assert (await ada.stored(story_id))["status"] == "CANCELED"


async def _running(person: Person, deployment: Deployment) -> list[dict[str, Any]]:
    """Make the person an admin; return the jobs that workers have."""
    database = await asyncpg.connect(deployment.database_url)
    await database.execute("UPDATE accounts SET role = 'admin'")
    await database.close()
    data = await person.api.execute(RUNNING, token=person.token)
    jobs: list[dict[str, Any]] = data["administration"]["runningJobs"]["nodes"]
    return jobs


async def _restart(server: Server) -> None:
    await server.kill()
    await server.start()
