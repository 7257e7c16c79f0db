"""One execution and one encoding of an event, for all who asked for the same of it."""

import asyncio
import gc
from collections import Counter
from contextlib import aclosing
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import OperationDefinitionNode, parse
from uuid_utils.compat import uuid7

from api.graphql.errors import Refused
from api.graphql.execution import Engine
from api.graphql.requests import GraphQLRequest
from api.graphql.shaping import shaping_variables
from api.graphql.sharing import Encoded, Group, Sharing
from schema.nodes import STORY, global_id
from schema.schema import schema
from tests.clients.reader import Reader
from tests.documents import recipe
from tests.unit.schema.test_stories import Browser
from tests.unit.usecases.stories.conftest import House

FOLLOWERS = 200
DOCUMENT = recipe()["StoryEvents"]


@pytest.fixture
async def house() -> House:
    """Return a house whose owner has an account."""
    house = House()
    await house.settle(house.account)
    return house


class Crowd:
    """Followers of one story who ask alike, and how often anything was executed for them."""

    def __init__(self, house: House) -> None:
        self.browser = Browser(house, house.account)
        self.engine = Engine(schema)
        self.contexts = 0
        self.told: list[list[Encoded]] = []

    def _new_context(self) -> object:
        self.contexts += 1
        return self.browser.context

    async def follow(self, story_id: UUID, query: str = DOCUMENT, **variables: object) -> None:
        """Follow to the end, and keep what was told."""
        told: list[Encoded] = []
        self.told.append(told)
        variables = {"storyId": global_id(STORY, story_id), **variables}
        operation = self.engine.prepare(GraphQLRequest(query, variables=variables))
        viewer = self.browser.house.account.id
        async with aclosing(self.engine.stream(operation, self._new_context, viewer)) as results:
            async for encoded in results:
                told.append(encoded)  # noqa: PERF401 - the test looks at it meanwhile

    async def heard(self, followers: int, events: int) -> None:
        """Wait until so many followers were told so many events each."""
        async with asyncio.timeout(10):
            while sum(len(told) >= events for told in self.told) < followers:  # noqa: ASYNC110
                await asyncio.sleep(0)


async def told_alike(house: House, followers: int) -> Crowd:
    """Let so many follow a story while it is written."""
    crowd, story = Crowd(house), await house.queued()
    following = [asyncio.create_task(crowd.follow(story.id)) for _ in range(followers)]
    await crowd.heard(followers, events=1)
    await crowd.browser.write(story)
    await asyncio.gather(*following)
    return crowd


def event_of(encoded: Encoded) -> dict[str, Any]:
    [event] = orjson.loads(encoded.content)["data"].values()
    assert isinstance(event, dict)
    return event


async def test_two_hundred_followers_of_a_story_share_each_event(house: House) -> None:
    crowd = await told_alike(house, FOLLOWERS)

    payloads = Counter(event_of(each[0])["__typename"] for each in zip(*crowd.told, strict=True))
    for each in zip(*crowd.told, strict=True):
        assert len({id(one.content) for one in each}) == 1
    assert payloads["StorySnapshot"] == 1
    assert payloads["TextAppended"] >= 2
    assert crowd.contexts == FOLLOWERS + sum(payloads.values())


async def test_when_the_log_is_lost_they_share_what_stands_in_its_place(house: House) -> None:
    crowd, story = Crowd(house), await house.queued()
    following = [asyncio.create_task(crowd.follow(story.id)) for _ in range(FOLLOWERS)]
    await crowd.heard(FOLLOWERS, events=1)
    house.events.down = True
    await crowd.browser.write(story)
    house.events.down = False
    house.events.be_silent()
    await asyncio.gather(*following)

    for each in zip(*(told[-2:] for told in crowd.told), strict=True):
        assert len({id(one.content) for one in each}) == 1
    assert [event_of(one)["__typename"] for one in crowd.told[0][-2:]] == [
        "StorySnapshot",
        "StoryReady",
    ]


async def test_each_of_them_is_told_the_whole_story(house: House) -> None:
    crowd = await told_alike(house, 3)

    for told in crowd.told:
        reader = Reader()
        for encoded in told:
            reader.read(event_of(encoded))
            assert encoded.position == reader.cursor
        assert reader.end == "StoryReady"


async def test_nothing_is_kept_of_events_that_nobody_holds(house: House) -> None:
    crowd = await told_alike(house, 3)
    house.events.forget()
    gc.collect()

    assert len(crowd.engine.sharing) == 0


SOME = """subscription ($storyId: ID!, $after: Cursor, $more: Boolean! = false) {
  storyEvents(storyId: $storyId, after: $after) {
    ...E @include(if: $more) ... on StoryReady { words } } }
  fragment E on StoryEvent { cursor }"""


async def test_where_they_began_parts_nobody_but_what_they_ask_for_does(house: House) -> None:
    crowd, story = Crowd(house), await house.queued()
    following = [
        asyncio.create_task(crowd.follow(story.id, SOME, **variables))
        for variables in ({"after": "0-0"}, {"after": None}, {"more": True})
    ]
    while len(crowd.told) < 3 or not crowd.told[2]:  # noqa: ASYNC110 - the last of the three
        await asyncio.sleep(0)
    await crowd.browser.write(story)
    await asyncio.gather(*following)

    from_the_start, from_a_snapshot, asking_more = (told[-1] for told in crowd.told)
    assert from_the_start is from_a_snapshot
    assert from_the_start is not asking_more
    assert event_of(from_the_start).keys() == {"words"}
    assert event_of(asking_more).keys() == {"words", "cursor"}


async def test_another_viewer_is_another_group() -> None:
    document = Engine(schema).documents.read(DOCUMENT)
    mine, yours = uuid7(), uuid7()
    variables = {"storyId": "a", "after": "1-1"}

    assert document.shaping == {"StoryEvents": frozenset()}
    group = Group.of(document, "StoryEvents", variables, mine)
    assert group == Group.of(document, "StoryEvents", {"storyId": "a", "after": "9-9"}, mine)
    assert group != Group.of(document, "StoryEvents", variables, yours)
    assert group != Group.of(document, "StoryEvents", variables, None)


# --- the store ----------------------------------------------------------------------------------


class Event:
    """Something with a place in a log."""

    position = "1-1"


GROUP = Group.of(Engine(schema).documents.read(DOCUMENT), "StoryEvents", {}, None)


async def test_when_the_first_leaves_the_next_does_it() -> None:
    sharing, event, began = Sharing(), Event(), asyncio.Event()

    async def never() -> bytes:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def at_once() -> bytes:
        return b"{}"

    first = asyncio.create_task(sharing.told(event, GROUP, never))
    await began.wait()
    second = asyncio.create_task(sharing.told(event, GROUP, at_once))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second).content == b"{}"


async def test_a_fault_is_not_shared() -> None:
    sharing, event = Sharing(), Event()

    async def faulty() -> bytes:
        raise Refused({"message": "", "extensions": {"code": "INTERNAL"}})

    async def fine() -> bytes:
        return b"{}"

    with pytest.raises(Refused):
        await sharing.told(event, GROUP, faulty)
    assert (await sharing.told(event, GROUP, fine)).content == b"{}"


async def test_what_has_no_position_is_its_followers_own() -> None:
    sharing = Sharing()

    async def fine() -> bytes:
        return b"{}"

    for event in (7, "text", object()):
        assert (await sharing.told(event, GROUP, fine)).position is None
    assert len(sharing) == 0


def test_each_reader_gets_the_shared_part_and_an_entry_of_its_own() -> None:
    encoded = Encoded('{"data":"ü"}'.encode(), "1-1")

    assert encoded.bytes_with('"extensions":1') == '{"data":"ü","extensions":1}'.encode()
    assert encoded.text_with('"extensions":2') == '{"data":"ü","extensions":2}'


# --- which variables shape what is told ---------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "shaping"),
    [
        ("subscription S($a: Int) { f(x: $a) { y } }", set()),
        ("subscription S($a: Int) { f(x: $a) { y(z: $a) } }", {"a"}),
        ("subscription S($a: Boolean!) { f @include(if: $a) { y } }", {"a"}),
        ("subscription S($a: Boolean!) { f { y @skip(if: $a) } }", {"a"}),
        ("subscription S($a: Int, $b: Int) { f(x: $a) { y(z: {w: [1, $b]}) } }", {"b"}),
        ("subscription S($a: Int) { ...R } fragment R on S { f(x: $a) { y } }", set()),
        (
            "subscription S($a: Int) { ... on S { f { ...Y } } } fragment Y on T { y(z: $a) }",
            {"a"},
        ),
        (
            "subscription S($a: Boolean!) { f { ...Y @include(if: $a) } } fragment Y on T { y }",
            {"a"},
        ),
        ("subscription S($a: Int) { f { ...Y ...Y } } fragment Y on T { y { z(w: $a) } }", {"a"}),
    ],
)
def test_variables_of_the_root_field_choose_events_and_the_others_shape_them(
    query: str, shaping: set[str]
) -> None:
    tree = parse(query)
    operation = tree.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)

    assert shaping_variables(tree, operation) == shaping
