"""Which workers live, by Redis."""

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from adapters.heartbeat import Heartbeat, live_workers


async def test_workers_live_from_their_first_beat_until_they_say_that_they_end(
    redis: Redis,
) -> None:
    first, second = Heartbeat(redis), Heartbeat(redis)
    assert await live_workers(redis) == 0
    await first.beat()
    await first.beat()
    await second.beat()
    assert await live_workers(redis) == 2
    await first.stop()
    assert await live_workers(redis) == 1


async def test_a_worker_that_falls_silent_is_not_counted(redis: Redis) -> None:
    await Heartbeat(redis, life=timedelta(milliseconds=30)).beat()
    assert await live_workers(redis) == 1
    await asyncio.sleep(0.05)  # Redis' clock is the one that counts
    assert await live_workers(redis) == 0
