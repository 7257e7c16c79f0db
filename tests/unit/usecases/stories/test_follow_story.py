"""Watching a story."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from uuid import UUID

import pytest

from domain.events import ChapterStarted, Cursor, Gap, Recorded, Snapshot, TextAppended, Told
from domain.refusals import NotFound, UpstreamUnavailable
from domain.stories import Story, StoryStatus, joined
from tests.factories import an_account
from tests.fakes.reads import FakeReads
from tests.fakes.storyteller import FakeStoryteller
from tests.story_reader import StoryReader
from tests.unit.usecases.stories.conftest import House
from usecases.stories.cancel_story import CancelStory
from usecases.stories.follow_story import FollowStory


async def follow(
    house: House, story: Story, after: Cursor | None = None
) -> AsyncGenerator[Told, None]:
    follow_story = FollowStory(house.reads, house.events, house.clock)
    return await follow_story(house.account.id, story.id, after)


async def written(house: House) -> Story:
    story = await house.queued()
    await house.write_story(FakeStoryteller([["One."], ["Two."]]))(
        story.id, await house.leased(story.id)
    )
    return house.story(story.id)


async def half_written(house: House) -> tuple[Story, "asyncio.Task[None]"]:
    """Return a story whose second chapter has one of its sentences."""
    story = await house.queued()
    storyteller = FakeStoryteller([["One."], ["Two. ", "Three ", "more."]], waits=(2, 2))
    lease = await house.leased(story.id)
    writing = asyncio.create_task(house.write_story(storyteller)(story.id, lease))
    await storyteller.waiting.wait()
    return story, writing


async def all_of(tale: AsyncGenerator[Told, None]) -> list[Told]:
    async with asyncio.timeout(5):
        return [told async for told in tale]


async def test_somebody_elses_story_is_not_found(house: House) -> None:
    story = await house.queued()
    other = await house.settle(an_account())
    with pytest.raises(NotFound):
        await FollowStory(house.reads, house.events, house.clock)(other.id, story.id)
    assert house.events.followers == 0


async def test_a_late_joiner_gets_one_snapshot_and_then_what_comes(house: House) -> None:
    story, writing = await half_written(house)
    async with aclosing(await follow(house, story)) as tale:
        snapshot = await anext(tale)
        assert isinstance(snapshot, Snapshot)
        assert [chapter.text for chapter in snapshot.told] == ["One."]
        assert (snapshot.chapter, snapshot.title) == (2, "Chapter 2")
        assert snapshot.text == "Two."
        assert snapshot.story.status is StoryStatus.WRITING
        await CancelStory(house.database, house.events, house.clock)(house.account.id, story.id)
        (end,) = await all_of(tale)
        assert isinstance(end, Recorded)
        assert end.cursor == Cursor(1, snapshot.cursor.sequence + 1)
    writing.cancel()


async def test_who_waits_is_shown_an_empty_story(house: House) -> None:
    story = await house.queued()
    async with aclosing(await follow(house, story)) as tale:
        snapshot = await anext(tale)
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.cursor, snapshot.told, snapshot.chapter) == (Cursor(0, 1), (), 0)


async def test_with_a_cursor_exactly_the_rest_is_told(house: House) -> None:
    story, writing = await half_written(house)
    recorded = house.recorded(story)
    async with aclosing(await follow(house, story, recorded[2].cursor)) as tale:
        assert [await anext(tale) for _ in recorded[3:]] == recorded[3:]
    writing.cancel()


async def test_a_story_long_done_answers_with_one_snapshot_and_its_end(house: House) -> None:
    story = await written(house)
    house.events.forget()
    for after in (None, Cursor(1, 4)):
        snapshot, end = await all_of(await follow(house, story, after))
        assert isinstance(snapshot, Snapshot)
        assert joined(snapshot.told) == "One.\n\nTwo."
        assert isinstance(end, Recorded)
        assert (end.event.kind, end.occurred_at) == ("story_ready", story.ready_at)


async def test_a_cursor_that_is_lost_gets_a_gap_and_a_snapshot(house: House) -> None:
    story, writing = await half_written(house)
    house.events.trim(house.topic(story), 2)
    async with aclosing(await follow(house, story, Cursor(1, 1))) as tale:
        gap, snapshot = await anext(tale), await anext(tale)
    assert gap == Gap(Cursor(1, 1), house.clock.now(), story.id)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.text == "Two."
    writing.cancel()


async def test_an_empty_log_shows_what_is_stored(house: House) -> None:
    story, writing = await half_written(house)
    house.events.forget()
    async with aclosing(await follow(house, story)) as tale:
        snapshot = await anext(tale)
    assert isinstance(snapshot, Snapshot)
    assert [chapter.text for chapter in snapshot.told] == ["One."]
    assert (snapshot.chapter, snapshot.text, snapshot.cursor) == (0, "", Cursor(1, 0))
    writing.cancel()


async def test_a_chapter_that_is_stored_but_not_yet_announced_is_not_shown_twice(
    house: House,
) -> None:
    story = await house.queued()
    log = house.events.writer(house.topic(story), 1)
    await log.append(ChapterStarted(chapter=1, of=1, title="One"))
    await log.append(TextAppended(chapter=1, offset=0, text="One."))
    house.events.down = True
    storyteller = FakeStoryteller([["One."], ["Two."]], waits=(2, 0))
    lease = await house.leased(story.id)
    writing = asyncio.create_task(house.write_story(storyteller)(story.id, lease))
    await storyteller.waiting.wait()
    house.events.down = False
    async with aclosing(await follow(house, story)) as tale:
        snapshot = await anext(tale)
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.told, snapshot.chapter, snapshot.text) == ((), 1, "One.")
    writing.cancel()


async def test_an_end_that_the_log_lost_is_told_after_a_silence(house: House) -> None:
    story = await house.queued()
    reader = StoryReader()
    tale = await follow(house, story)
    reader.read(await anext(tale))
    waiting = asyncio.ensure_future(anext(tale))
    await asyncio.sleep(0)
    house.events.down = True
    await CancelStory(house.database, house.events, house.clock)(house.account.id, story.id)
    house.events.down = False
    house.events.be_silent()
    async with asyncio.timeout(5):
        reader.read(await waiting)
    for told in await all_of(tale):
        reader.read(told)
    assert reader.kinds == ["Snapshot", "Gap", "Snapshot", "story_canceled"]


async def test_who_comes_while_the_log_is_away_gets_what_is_stored_and_later_the_rest(
    house: House,
) -> None:
    story, writing = await half_written(house)
    house.events.down = True
    async with aclosing(await follow(house, story)) as tale:
        stored = await anext(tale)
        house.events.down = False
        gap, snapshot = await anext(tale), await anext(tale)
    assert isinstance(stored, Snapshot)
    assert (len(stored.told), stored.text) == (1, "")
    assert isinstance(gap, Gap)
    assert isinstance(snapshot, Snapshot)
    assert (len(snapshot.told), snapshot.text) == (1, "Two.")
    writing.cancel()


async def test_a_silence_without_an_end_says_nothing(house: House) -> None:
    story = await house.queued()
    async with aclosing(await follow(house, story)) as tale:
        await anext(tale)
        waiting = asyncio.ensure_future(anext(tale))
        await asyncio.sleep(0)
        house.events.be_silent()
        await CancelStory(house.database, house.events, house.clock)(house.account.id, story.id)
        told = await waiting
    assert isinstance(told, Recorded)
    assert told.event.kind == "story_canceled"


class CountedReads(FakeReads):
    """Counts how often a story is looked at; while it is `away`, nobody can tell."""

    looks, away = 0, False

    async def story(self, account_id: UUID, story_id: UUID) -> Story | None:
        self.looks += 1
        if self.away:
            raise UpstreamUnavailable
        return await super().story(account_id, story_id)


async def test_one_look_serves_all_who_hear_a_silence_and_an_outage_ends_nothing(
    house: House,
) -> None:
    story = await house.queued()
    reads = CountedReads(house.database)
    follow_story = FollowStory(reads, house.events, house.clock)
    tales = [await follow_story(house.account.id, story.id) for _ in range(50)]
    assert {type(await anext(tale)) for tale in tales} == {Snapshot}
    waiting = [asyncio.ensure_future(anext(tale)) for tale in tales]
    await asyncio.sleep(0)
    reads.looks = 0
    for reads.away in (True, False):
        house.events.be_silent()
        for _ in range(5):
            await asyncio.sleep(0)
    assert reads.looks == 2
    await CancelStory(house.database, house.events, house.clock)(house.account.id, story.id)
    async with asyncio.timeout(5):
        told = await asyncio.gather(*waiting)
    assert {one.event.kind for one in told if isinstance(one, Recorded)} == {"story_canceled"}
    for tale in tales:
        await tale.aclose()


class FalteringReads(FakeReads):
    """Cannot be reached for the next so many times."""

    away = 0

    async def stories(self, story_ids: Sequence[UUID]) -> dict[UUID, Story]:
        if self.away:
            self.away -= 1
            raise UpstreamUnavailable
        return await super().stories(story_ids)


async def test_who_was_told_of_a_gap_waits_for_the_snapshot_and_a_newcomer_is_refused(
    house: House,
) -> None:
    story, writing = await half_written(house)
    reads = FalteringReads(house.database)
    follow_story = FollowStory(reads, house.events, house.clock, again=0)
    async with aclosing(await follow_story(house.account.id, story.id)) as tale:
        await anext(tale)
        house.events.trim(house.topic(story), 0)
        house.events.be_silent()
        await house.events.append(
            house.topic(story), 1, TextAppended(chapter=2, offset=4, text="!")
        )
        assert isinstance(await anext(tale), Gap)
        reads.away = 3
        async with asyncio.timeout(5):
            assert isinstance(await anext(tale), Snapshot)
    reads.away = 1
    with pytest.raises(UpstreamUnavailable):
        await anext(await follow_story(house.account.id, story.id))
    writing.cancel()


async def test_who_stops_watching_leaves_nothing_behind_and_cancels_nothing(house: House) -> None:
    story = await house.queued()
    tale = await follow(house, story)
    await anext(tale)
    waiting = asyncio.ensure_future(anext(tale))
    await asyncio.sleep(0)
    assert house.events.followers == 1
    waiting.cancel()
    await asyncio.wait({waiting})
    await tale.aclose()
    assert house.events.followers == 0
    assert house.story(story.id).status is StoryStatus.QUEUED
