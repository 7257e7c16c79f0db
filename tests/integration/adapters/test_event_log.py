"""The event log on a real Redis: its connection, its bounds, and its losses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from time import monotonic
from uuid import UUID

import pytest
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from adapters.event_log.entries import encode
from adapters.event_log.hub import ALIVE, MOST_EVENTS, Hub
from adapters.event_log.log import RedisEventLog
from domain.events import (
    ChapterStarted,
    Cursor,
    Recorded,
    StageChanged,
    StoryEvent,
    StoryQueued,
    TextAppended,
)
from domain.stories import StoryStatus
from tests.fakes.clock import FakeClock
from tests.servers import Server
from usecases.ports.live import CursorLost, FollowerTooSlow, LiveText, LogAway, Topic

STORY = Topic(UUID(int=1), UUID(int=2))
ACCOUNT = Topic(UUID(int=1))
STREAM = f"events:{{{STORY.account_id}}}:story:{STORY.story_id}"
WRITING = StageChanged(stage=StoryStatus.WRITING)
FIRST = ChapterStarted(chapter=1, of=2, title="Away")


@pytest.fixture
async def log(redis: Redis) -> AsyncIterator[RedisEventLog]:
    log = RedisEventLog(redis, FakeClock())
    yield log
    await log.aclose()


class Follower:
    """Follows a topic in a task of its own."""

    def __init__(self, log: RedisEventLog, topic: Topic, after: Cursor) -> None:
        self.told: asyncio.Queue[Recorded] = asyncio.Queue()
        self._task = asyncio.create_task(self._follow(log, topic, after))

    async def _follow(self, log: RedisEventLog, topic: Topic, after: Cursor) -> None:
        async with aclosing(log.follow(topic, after)) as tale:
            async for recorded in tale:
                if recorded is not None:
                    self.told.put_nowait(recorded)

    async def hears(self, number: int) -> list[str]:
        """Return the cursors of the next events."""
        async with asyncio.timeout(5):
            return [str((await self.told.get()).cursor) for _ in range(number)]

    async def fails(self) -> None:
        """Wait for the end and raise what it ended with."""
        async with asyncio.timeout(5):
            await self._task

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


async def listeners(redis: Redis) -> list[str]:
    return [client["id"] for client in await redis.client_list(_type="pubsub")]


async def until_nobody_listens_to(redis: Redis, channel: str) -> None:
    async with asyncio.timeout(5):
        while (await redis.pubsub_numsub(channel))[0][1] > 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # Redis tells nobody but who asks


async def the_listener(redis: Redis) -> str:
    async with asyncio.timeout(5):
        while not (found := await listeners(redis)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # as above
    (listener,) = found
    return listener


def piece(number: int, text: str = "x") -> TextAppended:
    return TextAppended(chapter=1, offset=number * len(text), text=text)


async def test_all_followers_of_a_process_share_one_connection(
    log: RedisEventLog, redis: Redis
) -> None:
    other = Topic(STORY.account_id, uuid7())
    followers = [
        Follower(log, STORY, Cursor(0, 0)),
        Follower(log, STORY, Cursor(0, 0)),
        Follower(log, other, Cursor(0, 0)),
    ]
    for topic in (STORY, other):
        await log.writer(topic, 0).append(StoryQueued(place=1))
    assert [await follower.hears(1) for follower in followers] == [["0-1"]] * 3
    assert len(await listeners(redis)) == 1
    for follower in followers:
        await follower.stop()
    await until_nobody_listens_to(redis, STREAM)


async def test_a_follower_survives_the_loss_of_the_connection(
    log: RedisEventLog, redis: Redis
) -> None:
    follower, writer = Follower(log, STORY, Cursor(1, 0)), log.writer(STORY, 1)
    await writer.append(WRITING)
    assert await follower.hears(1) == ["1-1"]
    for _ in range(3):
        await redis.client_kill_filter(_id=await the_listener(redis))
        await writer.append(WRITING)
    assert await follower.hears(3) == ["1-2", "1-3", "1-4"]
    await writer.append(WRITING)
    assert await follower.hears(1) == ["1-5"]
    await follower.stop()


async def test_who_comes_when_the_last_one_has_just_gone_is_heard_too(log: RedisEventLog) -> None:
    writer = log.writer(STORY, 1)
    for number in range(1, 21):
        await writer.append(WRITING)
        follower = Follower(log, STORY, Cursor(1, number - 1))
        assert await follower.hears(1) == [f"1-{number}"]
        await follower.stop()


async def test_channels_that_were_followed_for_a_moment_are_forgotten(redis: Redis) -> None:
    """Also where a follower is gone before Redis has confirmed its channel."""
    hub = Hub(redis, silence=20)
    with hub.inbox("stays") as inbox:
        await inbox.take()
        for number in range(40):
            with hub.inbox(name := f"brief {number}"):
                for _ in range(number):
                    await asyncio.sleep(0)
            await until_nobody_listens_to(redis, name)
        with hub.inbox("last") as last:
            await last.take()  # and so all that was asked of Redis before is answered
            confirmed = hub._confirmed  # noqa: SLF001 - nobody else sees it in less than a year
            assert confirmed <= {ALIVE.encode(), b"stays", b"last"}
    await hub.aclose()


async def test_a_follower_that_does_not_take_its_events_is_sent_away(log: RedisEventLog) -> None:
    writer, quick = log.writer(STORY, 1), Follower(log, STORY, Cursor(1, 0))
    slow = log.follow(STORY, Cursor(1, 0))
    await writer.append(FIRST)
    assert await anext(slow) is not None
    for number in range(MOST_EVENTS + 2):
        await writer.append(piece(number))
    heard = await quick.hears(MOST_EVENTS + 3)
    assert heard[-1] == f"1-{MOST_EVENTS + 3}"
    with pytest.raises(FollowerTooSlow):
        await anext(slow)
    await quick.stop()


async def test_what_waits_for_a_follower_is_bounded_in_bytes_too(log: RedisEventLog) -> None:
    writer, slow = log.writer(STORY, 1), log.follow(STORY, Cursor(1, 0))
    quick = Follower(log, STORY, Cursor(1, 0))
    await writer.append(FIRST)
    assert await anext(slow) is not None
    for number in range(12):
        await writer.append(piece(number, "x" * 100_000))
    await quick.hears(13)
    with pytest.raises(FollowerTooSlow):
        await anext(slow)
    await quick.stop()


async def test_a_log_is_capped_and_a_cursor_that_was_trimmed_is_lost(redis: Redis) -> None:
    log = RedisEventLog(redis, FakeClock(), story_events=100, account_events=100)
    writer = log.writer(STORY, 1)
    for _ in range(400):
        await writer.append(WRITING)
    account = f"events:{{{STORY.account_id}}}"
    for stream in (STREAM, account):
        assert 100 <= await redis.xlen(stream) < 250
    with pytest.raises(CursorLost):
        await Follower(log, STORY, Cursor(1, 1)).fails()
    follower = Follower(log, STORY, Cursor(1, 390))
    assert await follower.hears(10) == [f"1-{number}" for number in range(391, 401)]
    await follower.stop()
    await log.aclose()


async def test_more_than_a_page_is_told_whole(log: RedisEventLog) -> None:
    writer = log.writer(STORY, 1)
    for _ in range(1100):
        await writer.append(WRITING)
    follower = Follower(log, STORY, Cursor(1, 1))
    assert await follower.hears(1099) == [f"1-{number}" for number in range(2, 1101)]
    await follower.stop()


async def test_who_catches_up_lets_the_others_have_their_turns(log: RedisEventLog) -> None:
    """Each event is executed and sent, all of which a quick client takes without a pause."""
    writer, turns = log.writer(STORY, 1), 0
    for _ in range(200):
        await writer.append(WRITING)

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with aclosing(log.follow(STORY, Cursor(1, 1))) as tale:
        await anext(tale)
        others = asyncio.create_task(take_turns())
        for _ in range(198):
            await anext(tale)
    others.cancel()
    assert turns >= 190


async def test_nothing_of_a_log_is_kept_for_ever(redis: Redis) -> None:
    log = RedisEventLog(redis, FakeClock(), keep=timedelta(hours=2))
    await log.position(ACCOUNT)
    await log.writer(STORY, 1).append(WRITING)
    keys = await redis.keys("*")
    assert len(keys) == 4
    assert [7190 < await redis.ttl(key) <= 7200 for key in keys] == [True] * 4


async def test_many_writers_at_once_leave_no_gap_in_their_accounts_log(log: RedisEventLog) -> None:
    begin = await log.position(ACCOUNT)

    async def write(topic: Topic) -> None:
        writer = log.writer(topic, 1)
        for _ in range(20):
            await writer.append(WRITING)

    await asyncio.gather(*(write(Topic(STORY.account_id, uuid7())) for _ in range(10)))
    follower = Follower(log, ACCOUNT, begin)
    assert await follower.hears(200) == [f"{begin.epoch}-{number}" for number in range(1, 201)]
    await follower.stop()


async def test_an_answer_that_was_lost_does_not_record_an_event_twice(log: RedisEventLog) -> None:
    """The client sends a script again when the connection broke: the number tells."""
    again, begin = log.writer(STORY, 1), await log.position(ACCOUNT)
    await log.writer(STORY, 1).append(WRITING)
    assert await again.append(WRITING) == Cursor(1, 1)
    assert await log.position(ACCOUNT) == Cursor(begin.epoch, 1)


async def test_a_log_without_its_text_is_no_log(log: RedisEventLog, redis: Redis) -> None:
    """As when Redis evicts one key of the two."""
    writer = log.writer(STORY, 1)
    await writer.append(FIRST)
    await writer.append(piece(0, "A fox."))
    await redis.delete(f"{STREAM}:live")
    assert await log.live(STORY) is None
    with pytest.raises(CursorLost):
        await Follower(log, STORY, Cursor(1, 1)).fails()
    await writer.append(piece(6, "!"))
    assert await log.live(STORY) == LiveText(Cursor(1, 3), 0, 1, "Away", "A fox.!")


async def test_a_text_without_its_log_is_no_text(log: RedisEventLog, redis: Redis) -> None:
    await log.writer(STORY, 1).append(FIRST)
    await redis.delete(STREAM)
    assert await log.live(STORY) is None
    assert await redis.exists(f"{STREAM}:live") == 0


async def test_an_account_whose_events_were_evicted_begins_anew(
    log: RedisEventLog, redis: Redis
) -> None:
    await log.writer(STORY, 1).append(FIRST)
    old = await log.position(ACCOUNT)
    await redis.delete(f"events:{{{STORY.account_id}}}")
    new = await log.position(ACCOUNT)
    assert (new.epoch > old.epoch, new.sequence) == (True, 0)
    follower = Follower(log, ACCOUNT, new)
    await log.writer(STORY, 2).append(WRITING)
    assert await follower.hears(1) == [f"{new.epoch}-1"]
    await follower.stop()
    with pytest.raises(CursorLost):
        await Follower(log, ACCOUNT, old).fails()


async def test_an_event_that_this_release_cannot_read_is_a_gap(
    log: RedisEventLog, redis: Redis
) -> None:
    await log.writer(STORY, 1).append(WRITING)
    follower = Follower(log, STORY, Cursor(1, 0))
    await follower.hears(1)
    await redis.xadd(STREAM, {"event": '{"kind": "story_sung"}'}, id="1-2")
    await redis.publish(STREAM, '1-2 1-2 {"kind": "story_sung"}')
    with pytest.raises(CursorLost):
        await follower.fails()
    follower = Follower(log, STORY, Cursor(1, 2))
    await log.append(STORY, 1, WRITING)
    assert await follower.hears(1) == ["1-3"]
    await follower.stop()


async def test_a_silence_is_told(redis: Redis) -> None:
    log = RedisEventLog(redis, FakeClock(), silence=timedelta(seconds=0.01))
    async with aclosing(log.follow(STORY, Cursor(1, 0))) as tale:
        assert await anext(tale) is None
        await log.writer(STORY, 1).append(WRITING)
        async with asyncio.timeout(5):
            told = [one async for one in _until_told(tale)]
    assert [one.event for one in told] == [WRITING]
    await log.aclose()


async def _until_told(tale: AsyncIterator[Recorded | None]) -> AsyncIterator[Recorded]:
    async for one in tale:
        if one is not None:
            yield one
            return


async def test_a_wake_up_that_was_lost_costs_time_and_no_event(redis: Redis) -> None:
    log = RedisEventLog(redis, FakeClock(), silence=timedelta(seconds=0.05))
    follower = Follower(log, STORY, Cursor(1, 0))
    await log.writer(STORY, 1).append(WRITING)
    assert await follower.hears(1) == ["1-1"]
    unannounced = encode(UUID(int=2), FakeClock().now(), FIRST)
    await redis.xadd(STREAM, {"event": unannounced}, id="1-2")
    assert await follower.hears(1) == ["1-2"]
    await follower.stop()
    await log.aclose()


@pytest.mark.parametrize("rubbish", ["", "x", "x y z", 'x y {"kind": "story_sung"}', "VALID"])
async def test_rubbish_does_not_deafen_the_listener(
    log: RedisEventLog, redis: Redis, rubbish: str
) -> None:
    follower, writer = Follower(log, STORY, Cursor(1, 0)), log.writer(STORY, 1)
    await writer.append(WRITING)
    await follower.hears(1)
    listener = await the_listener(redis)
    nowhere = f"here there {encode(UUID(int=2), FakeClock().now(), FIRST)}"
    await redis.publish(STREAM, nowhere if rubbish == "VALID" else rubbish)
    await writer.append(FIRST)
    assert await follower.hears(1) == ["1-2"]
    assert await the_listener(redis) == listener
    await follower.stop()


async def test_followers_who_miss_the_same_are_answered_by_one_read(
    log: RedisEventLog, redis: Redis
) -> None:
    """As after a restart of Redis, when all of them ask at once."""
    await log.writer(STORY, 1).append(WRITING)
    first = Follower(log, STORY, Cursor(1, 0))
    await first.hears(1)
    await redis.config_resetstat()
    crowd = [Follower(log, STORY, Cursor(1, 0)) for _ in range(200)]
    assert [await follower.hears(1) for follower in crowd] == [["1-1"]] * 200
    assert (await redis.info("commandstats"))["cmdstat_xrange"]["calls"] < 10
    for follower in (first, *crowd):
        await follower.stop()


async def test_silences_are_told_while_redis_is_away(own_redis: Server) -> None:
    """Else an end that is stored meanwhile would be told to nobody."""
    async with Redis.from_url(own_redis.url, socket_connect_timeout=1) as redis:
        log = RedisEventLog(redis, FakeClock(), silence=timedelta(seconds=0.05))
        writer = log.writer(STORY, 1)
        await writer.append(WRITING)
        async with aclosing(log.follow(STORY, Cursor(1, 0))) as tale, asyncio.timeout(10):
            assert await anext(tale) is not None
            await own_redis.kill()
            assert [await anext(tale) for _ in range(3)] == [None] * 3
            await own_redis.start()
            await writer.append(FIRST)
            told = [one async for one in _until_told(tale)]
        assert [one.event for one in told] == [FIRST]
        await log.aclose()


@pytest.fixture
async def shaky(own_redis: Server) -> AsyncIterator[RedisEventLog]:
    async with Redis.from_url(own_redis.url, socket_connect_timeout=1) as redis:
        log = RedisEventLog(redis, FakeClock())
        yield log
        await log.aclose()


async def test_followers_go_on_when_redis_was_restarted(
    shaky: RedisEventLog, own_redis: Server
) -> None:
    follower, writer = Follower(shaky, STORY, Cursor(1, 0)), shaky.writer(STORY, 1)
    await writer.append(WRITING)
    assert await follower.hears(1) == ["1-1"]
    await own_redis.kill()
    await own_redis.start()
    assert str(await writer.append(FIRST)) == "1-2"
    assert await follower.hears(1) == ["1-2"]
    await follower.stop()


async def test_an_event_that_redis_missed_shows_as_a_gap(
    shaky: RedisEventLog, own_redis: Server
) -> None:
    follower, writer = Follower(shaky, STORY, Cursor(1, 0)), shaky.writer(STORY, 1)
    await writer.append(WRITING)
    await follower.hears(1)
    await own_redis.kill()
    before = monotonic()
    missed: StoryEvent = FIRST
    assert await writer.append(missed) is None
    with pytest.raises(LogAway):
        await shaky.live(STORY)
    with pytest.raises(LogAway):
        await shaky.position(ACCOUNT)
    assert monotonic() - before < 3
    await own_redis.start()
    assert str(await writer.append(piece(0, "A fox."))) == "1-3"
    assert await shaky.live(STORY) == LiveText(Cursor(1, 3), 0, 1, "Away", "A fox.")
    with pytest.raises(CursorLost):
        await follower.fails()
