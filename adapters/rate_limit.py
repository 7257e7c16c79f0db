"""Token buckets in Redis, shared by all processes.

One script of our own: the token bucket of throttled-py 3.5 counts in whole seconds, so that a
caller once a second never gets back the half token that 30 a minute give it, and a small bucket
that fills within half a second expires at once and limits nothing.
"""

from math import ceil

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from adapters.outages import REDIS_OUTAGES
from usecases.ports import Allowance, LimitsUnknown

TAKE = """
local burst, per_ms = tonumber(ARGV[1]), tonumber(ARGV[2]) / 60000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local passed = math.max(0, now - (tonumber(bucket[2]) or now))
local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + passed * per_ms)
local wait = 0
if tokens >= 1 then
    tokens = tokens - 1
else
    wait = math.ceil((1 - tokens) / per_ms)
end
local full_in = math.ceil((burst - tokens) / per_ms)
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
redis.call('PEXPIRE', KEYS[1], full_in + 1)
return {math.floor(tokens), full_in, wait}
"""
"""A bucket that is full again is forgotten. The time is Redis' own: clients' clocks differ."""


class RedisRateLimiter:
    """Implements `RateLimiter`."""

    def __init__(self, redis: Redis) -> None:
        self._take = redis.register_script(TAKE)

    async def take(self, key: str, *, burst: int, per_minute: int) -> Allowance:
        """Take one token of the key's bucket. Raises LimitsUnknown while Redis is away."""
        try:
            remaining, full_in, wait = await self._take(
                keys=[f"limit:{key}"], args=[burst, per_minute]
            )
        except (*REDIS_OUTAGES, NoScriptError) as error:
            raise LimitsUnknown from error
        return Allowance(
            limit=burst,
            remaining=remaining,
            reset_seconds=ceil(full_in / 1000),
            retry_after=ceil(wait / 1000) if wait else None,
        )
