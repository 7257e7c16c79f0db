"""What readers see of a story that failed and was retried, over the log in Redis and in memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from adapters.event_log.log import RedisEventLog
from domain.events import (
    Cursor,
    LibrarySnapshot,
    Recorded,
    Snapshot,
    StoryCanceled,
    StoryQueued,
    StoryRestarted,
    Told,
)
from domain.stories import Story, StoryStatus
from tests.fakes.event_log import FakeEventLog
from tests.fakes.reads import FakeReads
from tests.fakes.storyteller import FakeStoryteller
from tests.story_reader import StoryReader
from tests.unit.usecases.stories.conftest import House
from usecases.administration.dead_letters import revive
from usecases.ports.jobs import Retry
from usecases.ports.reads import StoriesPage
from usecases.ports.storytelling import StorytellerFault
from usecases.stories.abandon_story import AbandonStory
from usecases.stories.announce_places import AnnouncePlaces
from usecases.stories.cancel_story import CancelStory
from usecases.stories.follow_account import FollowAccount
from usecases.stories.follow_story import FollowStory

FAILING, WELL = [["One."], ["Two. ", "Three."]], [["One."], ["Four. ", "Five."]]


@pytest.fixture(params=["fake", "redis"])
async def house(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[House]:
    house = House()
    await house.settle(house.account)
    if request.param == "fake":
        yield house
        return
    log = RedisEventLog(redis, house.clock)
    house.events = log  # type: ignore[assignment] # the same port
    yield house
    await log.aclose()


async def failed(house: House) -> Story:
    """Return a story that was given up in its second chapter."""
    return await fail(house, await house.queued())


async def fail(house: House, story: Story) -> Story:
    """Have it given up in its second chapter."""
    fault = StorytellerFault("UPSTREAM_UNAVAILABLE", "Gone.")
    lease = await house.leased(story.id)
    with pytest.raises(Retry):
        await house.write_story(FakeStoryteller(FAILING, faults={(2, 1): fault}))(story.id, lease)
    await AbandonStory(house.database, house.events, house.clock)(story.id, lease, "hopeless")
    await house.desk.bury(lease, "hopeless")
    return house.story(story.id)


async def retry(house: House, story: Story) -> None:
    (job,) = house.database.tables.jobs.values()
    async with house.database.begin() as work:
        await revive(work, job.id, house.clock.now())
    assert house.story(story.id).status is StoryStatus.QUEUED


async def write(house: House, story: Story) -> None:
    await house.write_story(FakeStoryteller(WELL))(story.id, await house.leased(story.id))


async def follow(house: House, story: Story, after: Cursor | None) -> AsyncGenerator[Told, None]:
    follow_story = FollowStory(house.reads, house.events, house.clock)
    return await follow_story(house.account.id, story.id, after)


async def read(tale: AsyncGenerator[Told, None], reader: StoryReader) -> None:
    """Read to the end of the tale."""
    async with asyncio.timeout(5), aclosing(tale):
        async for told in tale:
            reader.read(told)


async def test_readers_see_it_fail_restart_and_end_without_a_gap(house: House) -> None:
    account = FollowAccount(house.reads, house.events, house.clock)(house.account.id)
    async with asyncio.timeout(5), aclosing(await account) as library:
        await anext(library)
        story = await failed(house)
        live = [told async for told in _until(library, "story_failed")]
        witness, early, late = StoryReader(), StoryReader(), StoryReader()
        await read(await follow(house, story, None), witness)
        assert (witness.ended, witness.text) == (True, "One.")

        await retry(house, story)
        early.awaits_snapshot, early.cursor = False, Cursor(0, 1)
        witness.ended = False
        tales = [await follow(house, story, reader.cursor) for reader in (witness, early, late)]
        snapshot = await anext(tales[2])
        assert isinstance(snapshot, Snapshot)
        assert ([one.text for one in snapshot.told], snapshot.chapter) == (["One."], 0)
        late.read(snapshot)
        await write(house, story)
        for reader, tale in zip((witness, early, late), tales, strict=True):
            await read(tale, reader)
        live += [told async for told in _until(library, "story_ready")]

    for reader in (witness, early, late):
        assert (reader.ended, reader.text) == (True, "One.\n\nFour. Five.")
    after_end = [told.event.kind for told in live if isinstance(told, Recorded)]
    failure = after_end.index("story_failed")
    assert after_end[failure : failure + 2] == ["story_failed", "story_restarted"]
    assert early.kinds == after_end[after_end.index("stage_changed") :]
    places = [told.cursor.sequence for told in live]
    assert places == [*range(places[0], places[0] + len(places))]


async def test_while_it_waits_again_its_place_is_told_and_so_is_its_cancellation(
    house: House,
) -> None:
    announce = AnnouncePlaces(house.reads, house.events)
    account = FollowAccount(house.reads, house.events, house.clock)(house.account.id)
    async with asyncio.timeout(5), aclosing(await account) as library:
        await anext(library)
        story = await failed(house)
        before = [told async for told in _until(library, "story_failed")][-1].cursor
        await retry(house, story)
        await announce()
        await CancelStory(house.database, house.events, house.clock)(house.account.id, story.id)
        told = [told async for told in _until(library, "story_canceled")]
    assert [one.event for one in told if isinstance(one, Recorded)] == [
        StoryQueued(place=1),
        StoryCanceled(chapters=1),
    ]
    assert [one.cursor.sequence - before.sequence for one in told] == [1, 2]


async def test_who_comes_while_it_waits_again_is_shown_it_before_it_goes_on(house: House) -> None:
    story = await failed(house)
    account = FollowAccount(house.reads, house.events, house.clock)(house.account.id)
    async with asyncio.timeout(5), aclosing(await account) as library:
        shown = await anext(library)
        assert isinstance(shown, LibrarySnapshot)
        assert shown.stories == ()
        await retry(house, story)
        await AnnouncePlaces(house.reads, house.events)()
        snapshot = await anext(library)
        assert isinstance(snapshot, Snapshot)
        assert [one.text for one in snapshot.told] == ["One."]
        await write(house, story)
        kinds = [
            told.event.kind
            async for told in _until(library, "story_ready")
            if isinstance(told, Recorded)
        ]
    assert kinds[0] == "story_restarted"


async def test_who_saw_its_end_in_a_snapshot_is_told_of_the_next_attempt(house: House) -> None:
    story = await house.queued()

    class Reads(FakeReads):
        async def stories_of(self, page: StoriesPage) -> list[Story]:
            found = await super().stories_of(page)
            await fail(house, story)
            return found

    account = FollowAccount(Reads(house.database), house.events, house.clock)(house.account.id)
    async with asyncio.timeout(5), aclosing(await account) as library:
        shown = await anext(library)
        assert isinstance(shown, LibrarySnapshot)
        assert [one.story.status for one in shown.stories] == [StoryStatus.FAILED]
        end = await anext(library)
        assert isinstance(end, Recorded)
        assert end.event.kind == "story_failed"
        await retry(house, story)
        await write(house, story)
        told = [told async for told in _until(library, "story_ready")]
    assert isinstance(told[0], Recorded)
    assert told[0].event == StoryRestarted(attempt=2, from_chapter=2)


async def test_a_story_whose_log_is_gone_is_shown_with_its_stored_chapters(
    house: House, redis: Redis
) -> None:
    story = await failed(house)
    await retry(house, story)
    if isinstance(house.events, FakeEventLog):
        house.events.forget()
    await redis.flushdb()
    for _ in range(2):
        async with aclosing(await follow(house, story, None)) as tale:
            snapshot = await anext(tale)
        assert isinstance(snapshot, Snapshot)
        assert [one.text for one in snapshot.told] == ["One."]
        await AnnouncePlaces(house.reads, house.events)()


async def _until(tale: AsyncGenerator[Told, None], kind: str) -> AsyncGenerator[Told, None]:
    async for told in tale:
        yield told
        if isinstance(told, Recorded) and told.event.kind == kind:
            return
