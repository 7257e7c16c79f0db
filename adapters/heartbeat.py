"""Which workers live: each shows it to Redis now and then, by Redis' own clock."""

from datetime import timedelta
from uuid import uuid4

from redis.asyncio import Redis

WORKERS = "storyloom:workers"
"""A sorted set: workers by the time until which they count as alive, in milliseconds."""

BEAT = timedelta(seconds=5)
LIFE = timedelta(seconds=15)

SHOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
"""

COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZCARD', KEYS[1])
"""


class Heartbeat:
    """One worker's sign of life. It counts as alive for `life` after each beat."""

    def __init__(self, redis: Redis, life: timedelta = LIFE) -> None:
        self._redis, self._worker, self._life = redis, uuid4().hex, life
        self._show = redis.register_script(SHOW)

    async def beat(self) -> None:
        """Show that this worker lives."""
        milliseconds = int(self._life.total_seconds() * 1000)
        await self._show(keys=[WORKERS], args=[self._worker, milliseconds])

    async def stop(self) -> None:
        """Say that it ends."""
        await self._redis.zrem(WORKERS, self._worker)


async def live_workers(redis: Redis) -> int:
    """Count the workers that showed a sign of life lately."""
    return int(await redis.register_script(COUNT)(keys=[WORKERS]))
