"""A story that failed for good, and what becomes of it once somebody has looked."""

import asyncio

import asyncpg

from tests.clients.person import ADDRESS, Person
from tests.clients.reader import Reader
from tests.deployment import Deployment
from tests.gemini_server import GeminiServer, refuse, tell_story
from tests.smtp_server import SmtpServer

LETTERS = """{ administration { deadLetters(kind: "write_story") { nodes {
  id attempts error requestId } } } }"""
RETRY = """mutation ($id: ID!) { retryDeadLetter(input: { jobId: $id, reason: "it is healed" }) {
  __typename ... on Refusal { code } } }"""
LIBRARY = "subscription { viewerEvents { __typename } }"
TRIES_BEFORE = "UPDATE jobs SET attempt = 7 WHERE kind = 'write_story'"
"""Seven tries, which would take four minutes."""


async def test_a_story_whose_model_failed_until_out_of_tries_is_retried_and_read_to_its_end(
    ada: Person,
    deployment: Deployment,
    gemini: GeminiServer,
    mail_server: SmtpServer,
    postgres_url: str,
) -> None:
    await deployment.stop_worker()
    story_id = await ada.request(chapters=2)
    database = await asyncpg.connect(postgres_url)
    await database.execute(TRIES_BEFORE)
    await database.execute("UPDATE accounts SET role = 'admin'")
    await database.close()
    gemini.script(tell_story, tell_story, refuse(503, retry_after=600))
    reader, library = Reader(), list[str]()

    async with ada.api.subscribe(LIBRARY, token=ada.token, within=60) as events:
        await anext(events)
        deployment.start_worker()
        await ada.follow(story_id, reader)
        assert reader.end == "StoryFailed"
        assert (await ada.stored(story_id))["status"] == "FAILED"
        letter = await _first_letter(ada)
        assert (letter["attempts"], letter["error"]) == (
            8,
            "UPSTREAM_UNAVAILABLE: Gemini answered 503 SERVICE_UNAVAILABLE",
        )

        answer = await ada.api.execute(RETRY, {"id": letter["id"]}, token=ada.token)
        assert answer["retryDeadLetter"]["__typename"] == "RetryDeadLetterSuccess"
        late = Reader()
        async with asyncio.TaskGroup() as readers:
            readers.create_task(ada.follow(story_id, reader))
            readers.create_task(ada.follow(story_id, late))
        while "StoryReady" not in library:
            library.append((await anext(events))["viewerEvents"]["__typename"])

    stored = await ada.stored(story_id)
    assert (stored["status"], stored["attempts"]) == ("READY", 2)
    assert reader.text == late.text == stored["text"]
    for kinds in (reader.kinds, library):
        after = kinds[kinds.index("StoryFailed") + 1 :]
        assert next(kind for kind in after if kind != "StoryQueued") == "StoryRestarted"
        assert "StoryGap" not in kinds
    assert await _letters(ada) == []
    await mail_server.mail_to(ADDRESS, count=2)
    assert len(mail_server.mails_to(ADDRESS)) == 2, "the code, and the story once"


async def _letters(person: Person) -> list[dict[str, object]]:
    data = await person.api.execute(LETTERS, token=person.token)
    found: list[dict[str, object]] = data["administration"]["deadLetters"]["nodes"]
    return found


async def _first_letter(person: Person) -> dict[str, object]:
    """Return the letter that a worker is about to bury: it tells readers before."""
    async with asyncio.timeout(5):
        while not (found := await _letters(person)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # only the list tells
    return found[0]
