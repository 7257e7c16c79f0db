"""How many sockets somebody has, counted over all processes in Redis.

Each process keeps its own counts and tells Redis of them: a hash for each holder, with a field for
each process. A process that shows no sign of life for LIFE_SECONDS does not count any more, so that
one which was killed keeps nobody out; what Redis forgets is told again with the next sign.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from adapters.outages import REDIS_OUTAGES

BEAT_SECONDS = 5
LIFE_SECONDS = 15
HOLDER_SECONDS = 3_600
RETELL_SECONDS = 1_200
"""Counts are kept for an hour after they were told, and told again before that."""

PATIENCE_SECONDS = 0.5
"""No socket waits longer for Redis."""

AT_ONCE = 500

PROCESSES = "sockets:processes"

CLAIM = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local told = redis.call('HGETALL', KEYS[2])
local held = tonumber(ARGV[2])
for i = 1, #told, 2 do
    if told[i] ~= ARGV[1] then
        local lives_until = tonumber(redis.call('ZSCORE', KEYS[1], told[i]) or 0)
        if lives_until > now then
            held = held + tonumber(told[i + 1])
        else
            redis.call('HDEL', KEYS[2], told[i])
        end
    end
end
if held > tonumber(ARGV[3]) then
    return 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
"""

BEAT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZADD', KEYS[1], now + ARGV[2] * 1000, ARGV[1])
"""
"""Answers 1 to a process that Redis does not know, or not any more."""

OUTAGES = (*REDIS_OUTAGES, NoScriptError, TimeoutError)


class RedisSocketCounts:
    """Implements `SocketCounts`, while it is `open`."""

    def __init__(self, redis: Redis, beat_seconds: float = BEAT_SECONDS) -> None:
        self._beat_seconds = beat_seconds
        self._redis = redis
        self._process = uuid4().hex
        self._own: Counter[str] = Counter()
        self._untold: set[str] = set()
        self._told_all_at = time.monotonic()
        self._claim = redis.register_script(CLAIM)
        self._beat = redis.register_script(BEAT)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Show signs of life for as long as the process serves."""
        task = asyncio.create_task(self._beat_on(), name="socket counts")
        try:
            yield
        finally:
            task.cancel()
            with suppress(*OUTAGES):
                await self._redis.zrem(PROCESSES, self._process)

    async def claim(self, holder: str, most: int) -> bool:
        """Count a socket more, unless the holder has the most already; tell which."""
        own = self._own[holder] + 1
        if own > most:
            return False
        self._own[holder] = own
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                granted = await self._claim(
                    keys=[PROCESSES, _key(holder)], args=[self._process, own, most, HOLDER_SECONDS]
                )
        except OUTAGES:
            self._untold.add(holder)
            return True
        except BaseException:
            self._subtract(holder)
            raise
        if granted:
            self._check_told(holder, own)
        else:
            self._subtract(holder)
        return bool(granted)

    async def release(self, holder: str) -> None:
        """Count a socket less."""
        self._subtract(holder)
        self._untold.add(holder)
        with suppress(*OUTAGES):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._tell([holder])

    async def beat(self) -> None:
        """Show a sign of life, and tell what Redis does not know; without Redis, do neither."""
        with suppress(*OUTAGES):
            is_new = await self._beat(keys=[PROCESSES], args=[self._process, LIFE_SECONDS])
            if is_new or time.monotonic() - self._told_all_at > RETELL_SECONDS:
                self._untold.update(self._own)
                self._told_all_at = time.monotonic()
            untold = sorted(self._untold)
            for start in range(0, len(untold), AT_ONCE):
                await self._tell(untold[start : start + AT_ONCE])

    async def _beat_on(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(self._beat_seconds)

    def _subtract(self, holder: str) -> None:
        self._own[holder] -= 1
        if self._own[holder] <= 0:
            del self._own[holder]

    def _check_told(self, holder: str, told: int) -> None:
        """Remember what changed while it was told: the answers may have come out of turn."""
        if self._own[holder] == told:
            self._untold.discard(holder)
        else:
            self._untold.add(holder)

    async def _tell(self, holders: Iterable[str]) -> None:
        counts = {holder: self._own[holder] for holder in holders}
        async with self._redis.pipeline(transaction=False) as pipeline:
            for holder, count in counts.items():
                if count:
                    pipeline.hset(_key(holder), self._process, str(count))
                    pipeline.expire(_key(holder), HOLDER_SECONDS)
                else:
                    pipeline.hdel(_key(holder), self._process)
            await pipeline.execute()
        for holder, count in counts.items():
            self._check_told(holder, count)


def _key(holder: str) -> str:
    return f"sockets:of:{holder}"
