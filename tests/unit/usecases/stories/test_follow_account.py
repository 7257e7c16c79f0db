"""Watching all of an account's stories."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from uuid import UUID

import pytest

from domain.accounts import AccountStatus
from domain.events import Cursor, Gap, LibrarySnapshot, Recorded, Snapshot, Told
from domain.refusals import UpstreamUnavailable
from domain.stories import Story, StoryStatus
from tests.factories import an_account
from tests.fakes.event_log import FakeEventLog
from tests.fakes.reads import FakeReads
from tests.fakes.storyteller import FakeStoryteller
from tests.unit.usecases.stories.conftest import House
from usecases.ports.jobs import Retry
from usecases.ports.live import LiveText, LogAway, Topic
from usecases.ports.reads import StoriesPage
from usecases.ports.storytelling import StorytellerFault
from usecases.stories.cancel_story import CancelStory
from usecases.stories.follow_account import FollowAccount
from usecases.stories.request_story import StoryOrder


async def follow(
    house: House, after: Cursor | None = None, reads: FakeReads | None = None
) -> AsyncGenerator[Told, None]:
    return await FollowAccount(reads or house.reads, house.events, house.clock)(
        house.account.id, after
    )


async def write(house: House, story: Story) -> None:
    await house.write_story(FakeStoryteller([["One."]]))(story.id, await house.leased(story.id))


async def cancel(house: House, story: Story) -> None:
    await CancelStory(house.database, house.events, house.clock)(house.account.id, story.id)


async def take(tale: AsyncGenerator[Told, None], number: int) -> list[Told]:
    async with asyncio.timeout(5):
        return [await anext(tale) for _ in range(number)]


def kinds(told: list[Told]) -> list[str]:
    return [one.event.kind if isinstance(one, Recorded) else type(one).__name__ for one in told]


async def test_it_begins_with_all_unfinished_stories(house: House) -> None:
    done, waits, other = await house.queued(), await house.queued(), await house.queued()
    await write(house, done)
    async with aclosing(await follow(house)) as tale:
        (library,) = await take(tale, 1)
    assert isinstance(library, LibrarySnapshot)
    shown = {snapshot.story.id: snapshot for snapshot in library.stories}
    assert set(shown) == {waits.id, other.id}
    assert {snapshot.cursor for snapshot in library.stories} == {library.cursor}


async def test_it_goes_on_with_whatever_happens(house: House) -> None:
    async with aclosing(await follow(house)) as tale:
        told = await take(tale, 1)
        story = await house.queued()
        told += await take(tale, 1)
        await write(house, story)
        told += await take(tale, 6)
    assert kinds(told) == [
        "LibrarySnapshot",
        "story_queued",
        "stage_changed",
        "stage_changed",
        "chapter_started",
        "text_appended",
        "chapter_completed",
        "story_ready",
    ]
    begin = told[0].cursor
    assert [one.cursor for one in told] == [
        Cursor(begin.epoch, begin.sequence + index) for index in range(8)
    ]


async def test_other_accounts_stories_are_not_told(house: House) -> None:
    other = await house.settle(an_account(status=AccountStatus.ACTIVE))
    async with aclosing(await follow(house)) as tale:
        await take(tale, 1)
        await house.request_story(StoryOrder(other.id, {}))
        mine = await house.queued()
        (told,) = await take(tale, 1)
    assert isinstance(told, Recorded)
    assert told.story_id == mine.id


async def test_with_a_cursor_exactly_the_rest_is_told(house: House) -> None:
    story = await house.queued()
    async with aclosing(await follow(house)) as tale:
        (library,) = await take(tale, 1)
    await write(house, story)
    async with aclosing(await follow(house, library.cursor)) as tale:
        told = await take(tale, 6)
    assert kinds(told)[-1] == "story_ready"
    assert told[0].cursor == Cursor(library.cursor.epoch, library.cursor.sequence + 1)


async def test_a_lost_log_is_told_as_a_gap_and_a_library(house: House) -> None:
    story = await house.queued()
    async with aclosing(await follow(house)) as tale:
        told = await take(tale, 1)
        house.events.forget()
        await cancel(house, story)
        told += await take(tale, 2)
    assert kinds(told) == ["LibrarySnapshot", "Gap", "LibrarySnapshot"]
    assert told[1] == Gap(told[0].cursor, house.clock.now())
    assert isinstance(told[2], LibrarySnapshot)
    assert told[2].stories == ()


async def test_an_end_that_the_log_lost_is_told_after_a_silence(house: House) -> None:
    story = await house.queued()
    async with aclosing(await follow(house)) as tale:
        await take(tale, 1)
        house.events.down = True
        await cancel(house, story)
        house.events.down = False
        waiting = asyncio.ensure_future(anext(tale))
        await asyncio.sleep(0)
        house.events.be_silent()
        told = [await waiting, *await take(tale, 1)]
    assert kinds(told) == ["Gap", "LibrarySnapshot"]


async def test_who_comes_while_the_log_is_away_gets_what_is_stored_and_later_the_rest(
    house: House,
) -> None:
    await house.queued()
    house.events.down = True
    async with aclosing(await follow(house)) as tale:
        told = await take(tale, 1)
        house.events.down = False
        told += await take(tale, 2)
    assert kinds(told) == ["LibrarySnapshot", "Gap", "LibrarySnapshot"]


class Outage(FakeEventLog):
    """Is away from the moment that its place was told until somebody asked in vain."""

    tells_places_only = False
    asked_in_vain = 0

    async def live(self, story: Topic) -> LiveText | None:
        if self.tells_places_only:
            self.asked_in_vain += 1
            raise LogAway
        return await super().live(story)


async def test_what_a_library_cannot_show_is_not_taken_for_told(house: House) -> None:
    outage = house.events = Outage(house.clock)
    stories = [await house.queued() for _ in range(3)]
    storyteller = FakeStoryteller([["One. ", "Two. ", "Three."]], waits=(1, 2))
    lease = await house.leased(stories[0].id)
    writing = asyncio.create_task(house.write_story(storyteller)(stories[0].id, lease))
    await storyteller.waiting.wait()
    outage.tells_places_only = True
    async with aclosing(await follow(house)) as tale:
        told = await take(tale, 1)
        outage.tells_places_only = False
        told += await take(tale, 2)
        await cancel(house, stories[0])
        told += await take(tale, 1)
    writing.cancel()
    assert kinds(told) == ["LibrarySnapshot", "Gap", "LibrarySnapshot", "story_canceled"]
    assert isinstance(told[2], LibrarySnapshot)
    assert "One." in {snapshot.text for snapshot in told[2].stories}
    assert outage.asked_in_vain == 1


async def test_who_was_told_of_a_gap_waits_for_the_library_and_a_newcomer_is_refused(
    house: House,
) -> None:
    await house.queued()

    class Reads(FakeReads):
        away = 0

        async def stories_of(self, page: StoriesPage) -> list[Story]:
            if self.away:
                self.away -= 1
                raise UpstreamUnavailable
            return await super().stories_of(page)

    reads = Reads(house.database)
    follow_account = FollowAccount(reads, house.events, house.clock, again=0)
    async with aclosing(await follow_account(house.account.id)) as tale:
        told = await take(tale, 1)
        house.events.forget()
        await house.queued()
        told += await take(tale, 1)
        reads.away = 3
        told += await take(tale, 1)
    assert kinds(told) == ["LibrarySnapshot", "Gap", "LibrarySnapshot"]
    reads.away = 1
    with pytest.raises(UpstreamUnavailable):
        await anext(await follow_account(house.account.id))


@pytest.mark.parametrize("away", ["log", "database"])
async def test_a_story_that_cannot_be_shown_when_it_first_appears_is_a_gap(
    house: House, away: str
) -> None:
    outage = house.events = Outage(house.clock)
    story = await house.queued()
    fault = StorytellerFault("KILLED", "Gone.")
    with pytest.raises(Retry):
        await house.write_story(FakeStoryteller([["One."]], faults={(1, 1): fault}))(
            story.id, await house.leased(story.id)
        )

    class Reads(FakeReads):
        async def stories_of(self, page: StoriesPage) -> list[Story]:
            del page
            return []

        async def stories(self, story_ids: Sequence[UUID]) -> dict[UUID, Story]:
            if outage.tells_places_only and away == "database":
                raise UpstreamUnavailable
            return await super().stories(story_ids)

    storyteller = FakeStoryteller([["One. ", "Two. ", "Three."]], waits=(1, 2))
    async with aclosing(await follow(house, reads=Reads(house.database))) as tale:
        told = await take(tale, 1)
        outage.tells_places_only = True
        lease = await house.leased(story.id)
        writing = asyncio.create_task(house.write_story(storyteller)(story.id, lease))
        told += await take(tale, 1)
        outage.tells_places_only = False
        told += await take(tale, 1)
    writing.cancel()
    assert kinds(told) == ["LibrarySnapshot", "Gap", "LibrarySnapshot"]


class BusyReads(FakeReads):
    """Lets something happen right before, or right after, the list of stories is read."""

    def __init__(self, house: House, story: Story, *, before: bool) -> None:
        super().__init__(house.database)
        self.house, self.busy, self.before = house, story, before
        self.done = False

    async def _happen(self) -> None:
        if not self.done:
            self.done = True
            await write(self.house, self.busy)

    async def stories_of(self, page: StoriesPage) -> list[Story]:
        if self.before:
            await self._happen()
        found = await super().stories_of(page)
        await self._happen()
        return found


async def test_a_story_that_ends_before_the_list_is_read_is_shown_once_and_ended(
    house: House,
) -> None:
    story = await house.queued()
    fault = StorytellerFault("KILLED", "Gone.")
    with pytest.raises(Retry):
        await house.write_story(FakeStoryteller([["One."]], faults={(1, 1): fault}))(
            story.id, await house.leased(story.id)
        )
    reads = BusyReads(house, story, before=True)
    async with aclosing(await follow(house, reads=reads)) as tale:
        told = await take(tale, 3)
        await house.queued()
        told += await take(tale, 1)
    assert kinds(told) == ["LibrarySnapshot", "Snapshot", "story_ready", "story_queued"]
    assert isinstance(told[1], Snapshot)
    assert [chapter.text for chapter in told[1].told] == ["One."]


async def test_a_story_that_ends_after_the_list_is_read_is_shown_once_and_ended(
    house: House,
) -> None:
    story = await house.queued()
    reads = BusyReads(house, story, before=False)
    async with aclosing(await follow(house, reads=reads)) as tale:
        told = await take(tale, 2)
        await house.queued()
        told += await take(tale, 1)
    assert kinds(told) == ["LibrarySnapshot", "story_ready", "story_queued"]
    assert isinstance(told[0], LibrarySnapshot)
    assert [one.story.status for one in told[0].stories] == [StoryStatus.READY]


async def test_what_a_snapshot_showed_is_not_told_again(house: House) -> None:
    story = await house.queued()
    storyteller = FakeStoryteller([["One. ", "Two. ", "Three"]], waits=(1, 2))
    lease = await house.leased(story.id)
    writing = asyncio.create_task(house.write_story(storyteller)(story.id, lease))

    class Reads(FakeReads):
        async def stories_of(self, page: StoriesPage) -> list[Story]:
            await storyteller.waiting.wait()
            return await super().stories_of(page)

    async with aclosing(await follow(house, reads=Reads(house.database))) as tale:
        (library,) = await take(tale, 1)
        assert isinstance(library, LibrarySnapshot)
        assert [snapshot.text for snapshot in library.stories] == ["One."]
        await cancel(house, story)
        assert kinds(await take(tale, 1)) == ["story_canceled"]
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing


async def test_who_comes_back_is_never_told_again_what_a_snapshot_showed(house: House) -> None:
    story = await house.queued()
    storyteller = FakeStoryteller([["One. ", "Two. ", "Three"]], waits=(1, 2))
    lease = await house.leased(story.id)
    writing = asyncio.create_task(house.write_story(storyteller)(story.id, lease))

    class Reads(FakeReads):
        async def stories_of(self, page: StoriesPage) -> list[Story]:
            await storyteller.waiting.wait()
            return await super().stories_of(page)

    reads = Reads(house.database)
    async with aclosing(await follow(house, reads=reads)) as tale:
        (library,) = await take(tale, 1)
        other = await house.queued()
        (queued,) = await take(tale, 1)
    async with aclosing(await follow(house, library.cursor)) as tale:
        told = await take(tale, 2)
    assert kinds(told) == ["Gap", "LibrarySnapshot"]
    async with aclosing(await follow(house, queued.cursor)) as tale:
        await cancel(house, story)
        await cancel(house, other)
        told = await take(tale, 2)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    assert kinds(told) == ["story_canceled", "story_canceled"]


@pytest.mark.parametrize("shown_in", ["LibrarySnapshot", "Snapshot"])
async def test_who_comes_back_is_never_told_again_of_an_end_that_a_snapshot_showed(
    house: House, shown_in: str
) -> None:
    story = await house.queued()
    fault = StorytellerFault("KILLED", "Gone.")
    with pytest.raises(Retry):
        await house.write_story(FakeStoryteller([["One."]], faults={(1, 1): fault}))(
            story.id, await house.leased(story.id)
        )
    reads = BusyReads(house, story, before=shown_in == "Snapshot")
    told = list[Told]()
    async with aclosing(await follow(house, reads=reads)) as tale:
        while "story_ready" not in kinds(told):
            told += await take(tale, 1)
    assert kinds(told)[-2:] == [shown_in, "story_ready"]
    async with aclosing(await follow(house, told[-1].cursor)) as tale:
        again = await take(tale, 2)
    assert kinds(again) == ["Gap", "LibrarySnapshot"]
    async with aclosing(await follow(house, again[-1].cursor)) as tale:
        await house.queued()
        assert kinds(await take(tale, 1)) == ["story_queued"]


@pytest.mark.parametrize("away", ["the log", "the log when one comes back", "the database"])
async def test_who_comes_back_hears_of_an_end_that_the_log_was_never_told(
    house: House, away: str
) -> None:
    story = await house.queued()
    async with aclosing(await follow(house)) as tale:
        (library,) = await take(tale, 1)
    house.events.down = True
    await cancel(house, story)
    house.events.down = away == "the log when one comes back"

    class Reads(FakeReads):
        away = False

        async def stories_of(self, page: StoriesPage) -> list[Story]:
            if self.away:
                raise UpstreamUnavailable
            return await super().stories_of(page)

    reads = Reads(house.database)
    reads.away = away == "the database"
    async with aclosing(await follow(house, library.cursor, reads)) as tale:
        waiting = asyncio.ensure_future(anext(tale))
        await asyncio.sleep(0)
        house.events.down = reads.away = False
        house.events.be_silent()
        async with asyncio.timeout(5):
            told = await waiting
    assert kinds([told]) == ["story_canceled"]
    assert told.cursor.follows(library.cursor)
    async with aclosing(await follow(house, library.cursor)) as tale:
        assert await take(tale, 1) == [told]


async def test_who_comes_back_is_told_of_a_gap_where_more_than_the_end_was_lost(
    house: House,
) -> None:
    story = await house.queued()
    async with aclosing(await follow(house)) as tale:
        (library,) = await take(tale, 1)
    house.events.down = True
    await write(house, story)
    house.events.down = False
    async with aclosing(await follow(house, library.cursor)) as tale:
        told = await take(tale, 2)
    assert kinds(told) == ["Gap", "LibrarySnapshot"]


async def test_who_comes_back_and_hears_nothing_of_a_story_is_told_how_it_ended(
    house: House,
) -> None:
    story = await house.queued()
    async with aclosing(await follow(house)) as tale:
        (library,) = await take(tale, 1)
    async with aclosing(await follow(house, library.cursor)) as tale:
        waiting = asyncio.ensure_future(anext(tale))
        await asyncio.sleep(0)
        house.events.down = True
        await cancel(house, story)
        house.events.down = False
        house.events.be_silent()
        async with asyncio.timeout(5):
            told = [await waiting, *await take(tale, 1)]
    assert kinds(told) == ["Gap", "LibrarySnapshot"]
