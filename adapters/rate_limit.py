"""Token buckets in Redis, shared by all processes.

One script of our own: the token bucket of throttled-py 3.5 counts in whole seconds, so that a
caller once a second never gets back the half token that 30 a minute give it, and a small bucket
that fills within half a second expires at once and limits nothing. Nor does it take of several.
"""

from collections.abc import Sequence
from math import ceil

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from adapters.outages import REDIS_OUTAGES
from usecases.ports.limits import Allowance, Bucket, LimitsUnknown

TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local buckets, granted = {}, true
for i, key in ipairs(KEYS) do
    local burst, per_ms = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]) / 60000
    local wanted = math.min(tonumber(ARGV[3 * i]), burst)
    local bucket = redis.call('HMGET', key, 'tokens', 'at')
    local passed = math.max(0, now - (tonumber(bucket[2]) or now))
    local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + passed * per_ms)
    local wait = 0
    if tokens < wanted then
        wait = math.ceil((wanted - tokens) / per_ms)
        granted = false
    end
    buckets[i] = {burst = burst, per_ms = per_ms, wanted = wanted, tokens = tokens, wait = wait}
end
local told = {}
for i, key in ipairs(KEYS) do
    local bucket = buckets[i]
    if granted then
        bucket.tokens = bucket.tokens - bucket.wanted
    end
    local full_in = math.ceil((bucket.burst - bucket.tokens) / bucket.per_ms)
    redis.call('HSET', key, 'tokens', bucket.tokens, 'at', now)
    redis.call('PEXPIRE', key, full_in + 1)
    told[i] = {math.floor(bucket.tokens), full_in, bucket.wait}
end
return told
"""
"""A bucket that is full again is forgotten. The time is Redis' own: clients' clocks differ."""


class RedisRateLimiter:
    """Implements `RateLimiter`."""

    def __init__(self, redis: Redis) -> None:
        self._take = redis.register_script(TAKE)

    async def take(self, *buckets: Bucket) -> Sequence[Allowance]:
        """Take from all of the buckets or from none. Raises LimitsUnknown while Redis is away."""
        try:
            told = await self._take(
                keys=[f"limit:{bucket.key}" for bucket in buckets],
                args=[
                    number
                    for bucket in buckets
                    for number in (bucket.burst, bucket.per_minute, bucket.tokens)
                ],
            )
        except (*REDIS_OUTAGES, NoScriptError) as error:
            raise LimitsUnknown from error
        return [
            Allowance(
                limit=bucket.burst,
                remaining=remaining,
                reset_seconds=ceil(full_in / 1000),
                retry_after=ceil(wait / 1000) if wait else None,
            )
            for bucket, (remaining, full_in, wait) in zip(buckets, told, strict=True)
        ]
