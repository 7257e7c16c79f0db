"""Token buckets on a real Redis."""

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.rate_limit import RedisRateLimiter
from tests.servers import Server
from usecases.ports import LimitsUnknown


async def test_a_burst_passes_and_no_more(redis: Redis) -> None:
    limiter = RedisRateLimiter(redis)

    taken = [await limiter.take("a", burst=3, per_minute=1) for _ in range(4)]

    assert [each.remaining for each in taken] == [2, 1, 0, 0]
    assert [each.retry_after for each in taken[:3]] == [None] * 3
    assert taken[3].retry_after == 60
    assert taken[3].limit == 3
    assert 179 <= taken[3].reset_seconds <= 180


async def test_a_hundred_at_once_get_what_is_there(redis: Redis) -> None:
    limiter = RedisRateLimiter(redis)

    taken = await asyncio.gather(*(limiter.take("a", burst=10, per_minute=1) for _ in range(100)))

    assert sum(each.retry_after is None for each in taken) == 10


async def test_keys_do_not_share(redis: Redis) -> None:
    limiter = RedisRateLimiter(redis)

    for key in "ab":
        assert (await limiter.take(key, burst=1, per_minute=1)).retry_after is None


async def test_fractions_of_a_token_are_kept(redis: Redis) -> None:
    """A caller that asks more often than tokens come still gets each of them."""
    limiter = RedisRateLimiter(redis)
    await limiter.take("a", burst=1, per_minute=1_200)  # one in 50 ms

    granted = 0
    async with asyncio.timeout(2):
        while granted < 4:
            granted += (await limiter.take("a", burst=1, per_minute=1_200)).retry_after is None
            await asyncio.sleep(0.01)  # the limiter's time is that of Redis

    assert granted == 4


async def test_a_full_bucket_is_forgotten(redis: Redis) -> None:
    await RedisRateLimiter(redis).take("a", burst=5, per_minute=60)

    assert 0 < await redis.pttl("limit:a") <= 1_001


async def test_limits_are_unknown_without_redis(own_redis: Server) -> None:
    async with Redis.from_url(own_redis.url) as client:
        limiter = RedisRateLimiter(client)
        await limiter.take("a", burst=1, per_minute=1)
        await own_redis.kill()
        with pytest.raises(LimitsUnknown):
            await limiter.take("a", burst=1, per_minute=1)
        await own_redis.start()

        await limiter.take("b", burst=1, per_minute=1)
