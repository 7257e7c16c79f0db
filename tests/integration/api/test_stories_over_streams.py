"""A story followed over plain HTTP, by readers whose connection is cut again and again."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from api.identity import Caller
from domain.stories import Story
from schema.nodes import STORY, global_id
from schema.schema import schema
from tests.clients.reader import Reader
from tests.clients.streams import MULTIPART, parts, said, server_sent
from tests.documents import recipe
from tests.integration.api.playground import Watch
from tests.integration.api.service import Play, Service, service
from tests.unit.schema.test_stories import Browser
from tests.unit.usecases.stories.conftest import House

STORY_EVENTS = recipe()["StoryEvents"]


class Library:
    """A house with one account, served."""

    def __init__(self) -> None:
        self.house = House()
        self.browser = Browser(self.house, self.house.account)

    def context(self, watch: Watch, caller: Caller) -> object:
        del watch
        context = self.browser.context
        context.claims, context.resume_from = caller.identity.claims, caller.resume_from
        return context

    async def log(self, story: Story) -> None:
        """Let the log tell the whole story, while the database does not know of its end yet."""
        status = story.status
        await self.browser.write(story)
        self.house.story(story.id).status = status


@pytest.fixture
async def library() -> Library:
    """Return a library whose reader has an account."""
    library = Library()
    await library.house.settle(library.house.account)
    return library


@pytest.fixture
async def api(library: Library) -> AsyncIterator[Service]:
    """Return the library, served."""
    async with service(play=Play(schema, library.context)) as running:
        yield running


def asked(api: Service, library: Library, story: Story) -> dict[str, Any]:
    """Return how the reader asks for the story's events, with the variables of the first time."""
    token = api.sign_in(account_id=library.house.account.id)
    return {
        "query": STORY_EVENTS,
        "headers": {"authorization": f"Bearer {token}"},
        "variables": {"storyId": global_id(STORY, story.id), "after": None},
    }


async def test_whoever_is_cut_off_after_each_event_misses_nothing(
    api: Service, library: Library
) -> None:
    story = await library.house.queued()
    asking, reader = asked(api, library, story), Reader()
    headers = asking.pop("headers")
    connections = 0
    while reader.end is None:
        connections += 1
        async with (
            api.stream(**asking, headers=headers) as response,
            aclosing(server_sent(response)) as messages,  # type: ignore[type-var]
        ):
            async for message in messages:
                if message.kind:
                    reader.read(message.data["storyEvents"])
                    assert message.last_id == reader.cursor
                    headers["last-event-id"] = message.last_id
                    break
        if reader.kinds == ["StorySnapshot"]:
            await library.log(story)

    assert connections == len(reader.kinds) >= 10
    assert reader.kinds.count("StorySnapshot") == 1
    assert reader.text == "A fox\U0001f98a. It ran.\n\nHome."
    assert library.house.events.followers == 0


async def test_a_stale_cursor_in_the_variables_repeats_nothing(
    api: Service, library: Library
) -> None:
    story = await library.house.queued()
    await library.log(story)
    whole = library.house.recorded(story)
    asking = asked(api, library, story)
    asking["variables"]["after"] = str(whole[1].cursor)
    asking["headers"]["last-event-id"] = str(whole[-3].cursor)
    async with api.stream(**asking) as response:
        messages = await said(response)

    assert [each.last_id for each in messages[:-1]] == [str(each.cursor) for each in whole[-2:]]


async def test_apollo_is_told_the_whole_story(api: Service, library: Library) -> None:
    story = await library.house.queued()
    reader, beats = Reader(), 0
    async with api.stream(**asked(api, library, story), accept=MULTIPART) as response:
        async for part in parts(response):
            if not part:
                beats += 1
                continue
            reader.read(part["payload"]["data"]["storyEvents"])
            if len(reader.kinds) == 1:
                await library.browser.write(story)

    assert beats >= 1
    assert reader.end == "StoryReady"
    assert reader.text == "A fox\U0001f98a. It ran.\n\nHome."


@pytest.mark.parametrize("last", ["rubbish", "1", "-", "1-1-1", "9" * 500, "\u00ff1-1", "null"])
async def test_an_id_that_is_none_of_ours_is_refused_by_name(
    api: Service, library: Library, last: str
) -> None:
    asking = asked(api, library, await library.house.queued())
    asking["headers"]["last-event-id"] = last.encode("latin-1")
    async with api.stream(**asking) as response:
        refusal, end = await said(response)

    assert refusal.codes == ["CURSOR_INVALID"]
    assert end.kind == "complete"


async def test_a_story_of_somebody_else_is_not_there(api: Service, library: Library) -> None:
    asking = asked(api, library, await library.house.queued())
    asking["headers"]["authorization"] = f"Bearer {api.sign_in()}"
    async with api.stream(**asking) as response:
        refusal, end = await said(response)

    assert refusal.codes == ["NOT_FOUND"]
    assert end.kind == "complete"
