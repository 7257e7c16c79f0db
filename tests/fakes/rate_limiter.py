"""A rate limiter that grants what the test lets it."""

import asyncio

from usecases.ports import Allowance, LimitsUnknown


class FakeRateLimiter:
    """Implements `RateLimiter` with `left` tokens for each key, which never come back.

    While it `is_down` it raises; while it `hangs` it does not answer at all.
    """

    def __init__(self, left: int = 1_000) -> None:
        self.left = left
        self.is_down = False
        self.hangs = False
        self.taken: list[str] = []

    async def take(self, key: str, *, burst: int, per_minute: int) -> Allowance:
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_down:
            raise LimitsUnknown
        seconds = 60 // per_minute or 1
        if self.taken.count(key) >= self.left:
            return Allowance(burst, 0, seconds * burst, retry_after=seconds)
        self.taken.append(key)
        return Allowance(burst, self.left - self.taken.count(key), seconds * burst)
