"""Token buckets on a real Redis."""

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.rate_limit import RedisRateLimiter
from tests.servers import Server
from usecases.ports.limits import Allowance, Bucket, LimitsUnknown


async def take(limiter: RedisRateLimiter, bucket: Bucket) -> Allowance:
    [allowance] = await limiter.take(bucket)
    return allowance


async def test_a_burst_passes_and_no_more(redis: Redis) -> None:
    limiter = RedisRateLimiter(redis)

    taken = [await take(limiter, Bucket("a", 3, 1)) for _ in range(4)]

    assert [each.remaining for each in taken] == [2, 1, 0, 0]
    assert [each.retry_after for each in taken[:3]] == [None] * 3
    assert taken[3].retry_after == 60
    assert taken[3].limit == 3
    assert 179 <= taken[3].reset_seconds <= 180


async def test_a_hundred_at_once_get_what_is_there(redis: Redis) -> None:
    limiter = RedisRateLimiter(redis)

    taken = await asyncio.gather(*(take(limiter, Bucket("a", 10, 1)) for _ in range(100)))

    assert sum(each.retry_after is None for each in taken) == 10


async def test_keys_do_not_share(redis: Redis) -> None:
    limiter = RedisRateLimiter(redis)

    for key in "ab":
        assert (await take(limiter, Bucket(key, 1, 1))).retry_after is None


async def test_of_several_buckets_all_are_taken_from_or_none(redis: Redis) -> None:
    limiter = RedisRateLimiter(redis)
    wide, narrow = Bucket("wide", 100, 1, tokens=30), Bucket("narrow", 2, 1)

    for _ in range(2):
        assert [each.retry_after for each in await limiter.take(wide, narrow)] == [None, None]
    refused = await limiter.take(wide, narrow)

    assert [each.remaining for each in refused] == [40, 0]
    assert [each.retry_after for each in refused] == [None, 60]


async def test_many_at_once_take_of_two_buckets_together(redis: Redis) -> None:
    limiter = RedisRateLimiter(redis)
    first, second = Bucket("first", 50, 1), Bucket("second", 7, 1)

    taken = await asyncio.gather(*(limiter.take(first, second) for _ in range(100)))

    assert sum(pair[1].retry_after is None for pair in taken) == 7
    assert (await take(limiter, first)).remaining == 50 - 7 - 1


async def test_who_wants_more_than_a_bucket_holds_takes_all_of_it(redis: Redis) -> None:
    limiter = RedisRateLimiter(redis)
    bucket = Bucket("a", 3, 60, tokens=9)

    granted, refused = await take(limiter, bucket), await take(limiter, bucket)

    assert (granted.remaining, granted.retry_after) == (0, None)
    assert refused.retry_after == 3


async def test_fractions_of_a_token_are_kept(redis: Redis) -> None:
    """A caller that asks more often than tokens come still gets each of them."""
    limiter = RedisRateLimiter(redis)
    bucket = Bucket("a", 1, 1_200)  # one in 50 ms
    await limiter.take(bucket)

    granted = 0
    async with asyncio.timeout(2):
        while granted < 4:
            granted += (await take(limiter, bucket)).retry_after is None
            await asyncio.sleep(0.01)  # the limiter's time is that of Redis

    assert granted == 4


async def test_a_full_bucket_is_forgotten(redis: Redis) -> None:
    await RedisRateLimiter(redis).take(Bucket("a", 5, 60))

    assert 0 < await redis.pttl("limit:a") <= 1_001


async def test_limits_are_unknown_without_redis(own_redis: Server) -> None:
    async with Redis.from_url(own_redis.url) as client:
        limiter = RedisRateLimiter(client)
        await limiter.take(Bucket("a", 1, 1))
        await own_redis.kill()
        with pytest.raises(LimitsUnknown):
            await limiter.take(Bucket("a", 1, 1))
        await own_redis.start()

        await limiter.take(Bucket("b", 1, 1))
