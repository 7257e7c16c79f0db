"""Many followers of one story cost little, and Redis may restart under all of them."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from uuid import UUID

import pytest
from redis.asyncio import Redis

from adapters.event_log.hub import MOST_EVENTS
from adapters.event_log.log import RedisEventLog
from domain.events import Cursor, Snapshot, StageChanged, TextAppended, Told
from domain.stories import Chapter, StoryStatus
from tests.fakes.clock import FakeClock
from tests.figures import Figures
from tests.servers import Server
from tests.unit.usecases.stories.conftest import House
from usecases.ports.live import Topic
from usecases.stories.follow_story import FollowStory

SENTENCE = " The keeper's daughter ran down the stairs, and the sea was as loud as ever."
FOLLOWER_BYTES, WAITING_BYTES = 16_384, 32
"""What a follower may cost, and what each event may that it has not yet taken."""


RESUME_SECONDS = 10
WRITING = StageChanged(stage=StoryStatus.WRITING)


@pytest.fixture
async def log(redis: Redis) -> AsyncIterator[RedisEventLog]:
    log = RedisEventLog(redis, FakeClock())
    yield log
    await log.aclose()


def memory() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def test_a_follower_costs_little_and_what_waits_for_it_is_shared(
    log: RedisEventLog, figures: Figures
) -> None:
    """A story of 100 kB is followed by many, who then stop taking its events."""
    many, waiting = figures.scale(200, 2_000), MOST_EVENTS - 6
    house = House()
    await house.settle(house.account)
    story = await house.queued()
    topic = Topic(story.account_id, story.id)
    async with house.database.begin() as work:
        await work.stories.add_chapter(
            Chapter.of(story.id, 1, "One", SENTENCE * 1_300, house.clock.now())
        )
    writer = log.writer(topic, 1, chapters=1)
    follow = FollowStory(house.reads, log, house.clock)
    await writer.append(TextAppended(chapter=2, offset=0, text=SENTENCE))

    async def come() -> AsyncGenerator[Told, None]:
        tale = await follow(house.account.id, story.id)
        assert isinstance(await anext(tale), Snapshot)
        return tale

    async def hear() -> Cursor | None:
        """Let everybody take one event; return its place."""
        async with asyncio.timeout(60):
            cursor = await writer.append(TextAppended(chapter=2, offset=0, text=SENTENCE))
            heard = await asyncio.gather(*(anext(tale) for tale in tales))
        assert {told.cursor for told in heard} == {cursor}
        return cursor

    tales = [await come()]
    await hear()
    tracemalloc.start()
    try:
        before = memory()
        tales += [await come() for _ in range(many)]
        cursor = await hear()
        assert cursor is not None
        follower = (memory() - before) / many
        before = memory()
        for _ in range(waiting):
            await writer.append(TextAppended(chapter=2, offset=0, text=SENTENCE))
        async with asyncio.timeout(10), aclosing(log.follow(topic, cursor)) as quick:
            for _ in range(waiting):
                await anext(quick)
        each = (memory() - before) / many / waiting
    finally:
        tracemalloc.stop()
    for tale in tales:
        await tale.aclose()

    assert follower <= FOLLOWER_BYTES
    assert each <= WAITING_BYTES
    figures.show(
        "followers of one story",
        f"{follower / 1024:.1f} KiB each of {many}, {each:.1f} B an event that waits",
    )


class Follower:
    """Follows a story in a task of its own, and counts what it hears."""

    def __init__(self, log: RedisEventLog, topic: Topic) -> None:
        self.heard = list[Cursor]()
        self._more = asyncio.Event()
        self.task = asyncio.create_task(self._follow(log, topic))

    async def _follow(self, log: RedisEventLog, topic: Topic) -> None:
        async with aclosing(log.follow(topic, Cursor(1, 0))) as tale:
            async for recorded in tale:
                if recorded is not None:
                    self.heard.append(recorded.cursor)
                    self._more.set()

    async def hears(self, last: Cursor) -> None:
        """Wait until an event is heard, or the follower fails."""
        while last not in self.heard[-1:]:
            self._more.clear()
            more = asyncio.ensure_future(self._more.wait())
            await asyncio.wait({more, self.task}, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()
            if self.task.done():
                self.task.result()


async def test_fifty_followers_outlive_three_restarts_of_redis_without_a_gap(
    own_redis: Server, figures: Figures
) -> None:
    loop, before = asyncio.get_running_loop(), asyncio.all_tasks()
    async with Redis.from_url(own_redis.url, socket_connect_timeout=1) as redis:
        log = RedisEventLog(redis, FakeClock())
        topics = [Topic(UUID(int=1), UUID(int=number)) for number in range(10)]
        followers = [Follower(log, topics[number % 10]) for number in range(50)]
        writers = [log.writer(topic, 1) for topic in topics]

        async def tell() -> Cursor:
            cursors = {await writer.append(WRITING) for writer in writers}
            (cursor,) = cursors
            assert cursor is not None
            async with asyncio.timeout(RESUME_SECONDS):
                await asyncio.gather(*(follower.hears(cursor) for follower in followers))
            return cursor

        last, worst = await tell(), 0.0
        for stop in (own_redis.kill, own_redis.stop, own_redis.kill):
            await stop()
            await own_redis.start()
            began = loop.time()
            last = await tell()
            worst = max(worst, loop.time() - began)
            assert len(await redis.client_list(_type="pubsub")) == 1
        assert last == Cursor(1, 4)
        assert [follower.heard for follower in followers] == [
            [Cursor(1, number) for number in range(1, 5)]
        ] * 50
        for follower in followers:
            follower.task.cancel()
        await asyncio.wait([follower.task for follower in followers])
        await log.aclose()
    assert asyncio.all_tasks() == before
    figures.show("50 followers after a restart of Redis", f"all gapless within {worst:.2f} s")
