"""What an event log promises, whether in Redis or in memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import pytest
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from adapters.event_log.log import RedisEventLog
from domain.events import (
    ChapterCompleted,
    ChapterStarted,
    Cursor,
    Recorded,
    StageChanged,
    StoryCanceled,
    StoryFailed,
    StoryQueued,
    StoryReady,
    StoryRestarted,
    TextAppended,
)
from domain.stories import StoryStatus, text_hash
from tests.fakes.clock import START, FakeClock
from tests.fakes.event_log import FakeEventLog
from usecases.ports.live import CursorLost, EventLog, EventWriter, LiveText, Topic

STORY = Topic(UUID(int=1), UUID(int=2))
ACCOUNT = Topic(UUID(int=1))

QUEUED = StoryQueued(place=1)
WRITING = StageChanged(stage=StoryStatus.WRITING)
FIRST = ChapterStarted(chapter=1, of=2, title="Away")
FIRST_DONE = ChapterCompleted(chapter=1, words=2, sha256=text_hash("A fox."))
READY = StoryReady(chapters=2, words=4, sha256="0" * 64)
CANCELED = StoryCanceled(chapters=0)
FAILED = StoryFailed(code="UPSTREAM_UNAVAILABLE", message="Gone.", blocked=False, chapters=0)


@dataclass(frozen=True)
class Logged:
    """A log, and how to empty it behind its back."""

    log: EventLog
    forget: Callable[[], Awaitable[object]]


@pytest.fixture(params=["fake", "redis"])
async def logged(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[Logged]:
    if request.param == "fake":
        fake = FakeEventLog()

        async def forget() -> None:
            fake.forget()

        yield Logged(fake, forget)
        return
    log = RedisEventLog(redis, FakeClock())
    yield Logged(log, redis.flushdb)
    await log.aclose()


@pytest.fixture
def log(logged: Logged) -> EventLog:
    return logged.log


def appended(text: str, offset: int = 0) -> TextAppended:
    return TextAppended(chapter=1, offset=offset, text=text)


async def write(writer: EventWriter, *events: object) -> list[str]:
    return [str(await writer.append(event)) for event in events]  # type: ignore[arg-type]


async def take(tale: AsyncGenerator[Recorded | None, None], number: int) -> list[Recorded]:
    async with asyncio.timeout(5):
        taken = [await anext(tale) for _ in range(number)]
    assert all(taken)
    return taken  # type: ignore[return-value]


async def test_a_writer_counts_its_events_from_one(log: EventLog) -> None:
    assert await write(log.writer(STORY, 1), WRITING, FIRST) == ["1-1", "1-2"]


async def test_an_event_is_told_as_it_was_recorded(log: EventLog) -> None:
    await write(log.writer(STORY, 0), QUEUED)
    async with aclosing(log.follow(STORY, Cursor(0, 0))) as tale:
        assert await take(tale, 1) == [
            Recorded(Cursor(0, 1), Cursor(0, 1), UUID(int=2), START, QUEUED)
        ]


async def test_a_follower_gets_what_was_recorded_and_what_comes_after(log: EventLog) -> None:
    writer = log.writer(STORY, 1)
    await write(writer, WRITING, FIRST)
    async with aclosing(log.follow(STORY, Cursor(1, 1))) as tale:
        told = await take(tale, 1)
        await write(writer, appended("A fox."), FIRST_DONE)
        told += await take(tale, 2)
    assert [(str(one.cursor), one.event) for one in told] == [
        ("1-2", FIRST),
        ("1-3", appended("A fox.")),
        ("1-4", FIRST_DONE),
    ]


async def test_a_new_attempt_counts_anew_and_followers_go_over_to_it(log: EventLog) -> None:
    await write(log.writer(STORY, 1), WRITING, FIRST)
    restarted = StoryRestarted(attempt=2, from_chapter=1)
    await write(log.writer(STORY, 2), restarted)
    async with aclosing(log.follow(STORY, Cursor(1, 2))) as tale:
        assert [str(one.cursor) for one in await take(tale, 1)] == ["2-1"]


async def test_an_attempt_that_was_overtaken_writes_nothing_more(log: EventLog) -> None:
    stale = log.writer(STORY, 1)
    await write(stale, WRITING)
    await write(log.writer(STORY, 2), StoryRestarted(attempt=2, from_chapter=1))
    assert await stale.append(FIRST) is None
    assert await log.append(STORY, 1, CANCELED) is None
    live = await log.live(STORY)
    assert live is not None
    assert live.cursor == Cursor(2, 1)


async def test_after_the_end_nothing_is_recorded(log: EventLog) -> None:
    writer = log.writer(STORY, 1)
    await write(writer, WRITING)
    assert await log.append(STORY, 1, CANCELED) == Cursor(1, 2)
    assert await writer.append(FIRST) is None
    assert await log.append(STORY, 1, CANCELED) is None


async def test_a_later_attempt_opens_a_log_that_had_ended(log: EventLog) -> None:
    begun = await log.position(ACCOUNT)
    stale = log.writer(STORY, 1)
    await write(stale, WRITING, FIRST, appended("A fo"), FAILED)
    retried = log.writer(STORY, 2)
    restarted = StoryRestarted(attempt=2, from_chapter=1)
    assert await write(retried, restarted, FIRST, READY) == ["2-1", "2-2", "2-3"]
    assert await stale.append(FIRST) is None
    assert await log.append(STORY, 2, CANCELED) is None
    for topic, after in ((STORY, Cursor(1, 3)), (ACCOUNT, Cursor(begun.epoch, 3))):
        async with aclosing(log.follow(topic, after)) as tale:
            told = [one.event for one in await take(tale, 4)]
        assert told == [FAILED, restarted, FIRST, READY]


async def test_a_failure_that_is_retried_is_gone_on_from_before_the_next_attempt(
    log: EventLog,
) -> None:
    stale = log.writer(STORY, 1)
    await write(stale, WRITING, FAILED)
    assert await stale.append(FIRST) is None
    assert await log.append(STORY, 1, QUEUED) == Cursor(1, 3)
    assert await log.append(STORY, 1, CANCELED) == Cursor(1, 4)
    for event in (QUEUED, CANCELED, FAILED):
        assert await log.append(STORY, 1, event) is None
    async with aclosing(log.follow(STORY, Cursor(1, 1))) as tale:
        assert [one.event for one in await take(tale, 3)] == [FAILED, QUEUED, CANCELED]


async def test_the_live_text_is_that_of_the_newest_event(log: EventLog) -> None:
    writer = log.writer(STORY, 1)
    assert await log.live(STORY) is None
    await write(writer, WRITING)
    assert await log.live(STORY) == LiveText(Cursor(1, 1))
    await write(writer, FIRST, appended("A fö"), appended("x.", 4))
    assert await log.live(STORY) == LiveText(Cursor(1, 4), 0, 1, "Away", "A föx.")
    await write(writer, FIRST_DONE)
    assert await log.live(STORY) == LiveText(Cursor(1, 5), 1)


async def test_a_new_attempt_voids_the_live_text(log: EventLog) -> None:
    await write(log.writer(STORY, 1), WRITING, FIRST, appended("A fox."))
    await write(log.writer(STORY, 2), StoryRestarted(attempt=2, from_chapter=1))
    assert await log.live(STORY) == LiveText(Cursor(2, 1))


async def test_who_writes_through_a_loss_goes_on_and_brings_the_live_text_back(
    logged: Logged,
) -> None:
    log, writer = logged.log, logged.log.writer(STORY, 1)
    await write(writer, WRITING, FIRST, appended("A "))
    async with aclosing(log.follow(STORY, Cursor(1, 2))) as tale:
        await take(tale, 1)
        await logged.forget()
        await write(writer, appended("fox.", 2))
        assert [str(one.cursor) for one in await take(tale, 1)] == ["1-4"]
    assert await log.live(STORY) == LiveText(Cursor(1, 4), 0, 1, "Away", "A fox.")


@pytest.mark.parametrize(
    "cursor",
    [Cursor(1, 1), Cursor(1, 9), Cursor(0, 3), Cursor(2, 1), Cursor(7, 7)],
    ids=["forgotten", "to come", "older epoch", "newer epoch", "never made"],
)
async def test_a_cursor_that_the_log_cannot_go_on_from_is_lost(
    logged: Logged, cursor: Cursor
) -> None:
    log, writer = logged.log, logged.log.writer(STORY, 1)
    await write(writer, WRITING, FIRST)
    await logged.forget()
    await write(writer, appended("A fox."))
    with pytest.raises(CursorLost):
        await take(log.follow(STORY, cursor), 1)


async def test_an_empty_log_has_lost_every_cursor(log: EventLog) -> None:
    with pytest.raises(CursorLost):
        await take(log.follow(STORY, Cursor(1, 4)), 1)


async def test_a_log_begun_anew_by_a_stranger_never_repeats_a_cursor(logged: Logged) -> None:
    """Who cancels does not know how far the count had come."""
    log = logged.log
    await write(log.writer(STORY, 1), WRITING, FIRST, appended("A fox."))
    async with aclosing(log.follow(STORY, Cursor(1, 2))) as tale:
        await take(tale, 1)
        await logged.forget()
        cursor = await log.append(STORY, 1, CANCELED)
        assert cursor is not None
        assert cursor > Cursor(1, 1000)
        with pytest.raises(CursorLost):
            await take(tale, 1)


async def test_a_log_that_missed_the_end_of_a_chapter_does_not_look_whole(log: EventLog) -> None:
    await write(log.writer(STORY, 1), WRITING, FIRST, appended("A "))
    # Chapter 1 was stored, but its end never got here: the next attempt starts at chapter 2.
    writer = log.writer(STORY, 2, chapters=1)
    restarted = StoryRestarted(attempt=2, from_chapter=2)
    assert await write(writer, restarted, WRITING) == ["2-2", "2-3"]
    for topic, cursor in ((STORY, Cursor(1, 3)), (ACCOUNT, (await log.position(ACCOUNT)))):
        before = Cursor(cursor.epoch, cursor.sequence - 3) if topic is ACCOUNT else cursor
        with pytest.raises(CursorLost):
            await take(log.follow(topic, before), 3)


async def test_a_cancellation_that_kept_a_chapter_the_log_missed_does_not_look_whole(
    log: EventLog,
) -> None:
    await write(log.writer(STORY, 1), WRITING, FIRST, appended("A "))
    await log.append(STORY, 1, StoryCanceled(chapters=1))
    with pytest.raises(CursorLost):
        await take(log.follow(STORY, Cursor(1, 3)), 1)


async def test_an_account_is_told_of_all_its_stories_without_a_gap(log: EventLog) -> None:
    begin = await log.position(ACCOUNT)
    assert begin.sequence == 0
    other = Topic(ACCOUNT.account_id, uuid7())
    stranger = Topic(UUID(int=9), uuid7())
    async with aclosing(log.follow(ACCOUNT, begin)) as tale:
        await write(log.writer(STORY, 0), QUEUED)
        await write(log.writer(stranger, 0), QUEUED)
        await write(log.writer(other, 1), WRITING)
        await write(log.writer(STORY, 1), WRITING)
        told = await take(tale, 3)
    assert [(one.cursor.sequence, one.story_id, str(one.origin)) for one in told] == [
        (1, STORY.story_id, "0-1"),
        (2, other.story_id, "1-1"),
        (3, STORY.story_id, "1-1"),
    ]
    assert {one.cursor.epoch for one in told} == {begin.epoch}
    assert await log.position(ACCOUNT) == Cursor(begin.epoch, 3)


async def test_an_account_log_that_was_lost_begins_another_epoch(logged: Logged) -> None:
    log = logged.log
    await write(log.writer(STORY, 0), QUEUED)
    old = await log.position(ACCOUNT)
    await logged.forget()
    await write(log.writer(STORY, 0), QUEUED)
    assert (await log.position(ACCOUNT)).epoch > old.epoch
    with pytest.raises(CursorLost):
        await take(log.follow(ACCOUNT, old), 1)


async def test_followers_who_stop_leave_the_others_alone(log: EventLog) -> None:
    writer = log.writer(STORY, 1)
    await write(writer, WRITING)
    async with aclosing(log.follow(STORY, Cursor(1, 0))) as stays:
        async with aclosing(log.follow(STORY, Cursor(1, 0))) as leaves:
            await take(leaves, 1)
        await take(stays, 1)
        await write(writer, FIRST)
        assert [one.event for one in await take(stays, 1)] == [FIRST]


async def test_a_log_that_tells_of_no_end_can_be_told_of_it(log: EventLog) -> None:
    other, empty = Topic(STORY.account_id, UUID(int=3)), Topic(STORY.account_id, UUID(int=4))
    await write(log.writer(STORY, 1), WRITING, FIRST)
    await write(log.writer(other, 1), WRITING, READY)
    assert await log.unended([STORY, other, empty]) == [STORY]
    assert str(await log.append(STORY, 1, CANCELED)) == "1-3"
    assert await log.unended([STORY, other, empty]) == []
    assert await log.unended([]) == []


async def test_an_end_after_chapters_that_the_log_missed_does_not_look_whole(
    log: EventLog,
) -> None:
    await write(log.writer(STORY, 1), WRITING, FIRST)
    async with aclosing(log.follow(STORY, Cursor(1, 2))) as tale:
        await log.append(STORY, 1, READY)
        with pytest.raises(CursorLost):
            await take(tale, 1)
