"""A rate limiter that grants what the test lets it."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from usecases.ports.limits import Allowance, Bucket, LimitsUnknown


class FakeRateLimiter:
    """Implements `RateLimiter` with `left` tokens for each key, which never come back.

    What a bucket holds is not asked, but what stands in `left_of` for its key is. While it
    `is_down` it raises; while it `hangs` it does not answer at all.
    """

    def __init__(self, left: int = 1_000_000) -> None:
        self.left = left
        self.left_of: dict[str, int] = {}
        self.is_down = False
        self.hangs = False
        self.taken: list[str] = []
        self._taken: Counter[str] = Counter()

    async def take(self, *buckets: Bucket) -> Sequence[Allowance]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_down:
            raise LimitsUnknown
        granted = all(self._has(bucket) for bucket in buckets)
        if granted:
            self.taken += [bucket.key for bucket in buckets]
            self._taken.update({bucket.key: bucket.tokens for bucket in buckets})
        return [self._tell(bucket, granted=granted) for bucket in buckets]

    def _left(self, bucket: Bucket) -> int:
        return self.left_of.get(bucket.key, self.left) - self._taken[bucket.key]

    def _has(self, bucket: Bucket) -> bool:
        return self._left(bucket) >= bucket.tokens

    def _tell(self, bucket: Bucket, *, granted: bool) -> Allowance:
        seconds = 60 // bucket.per_minute or 1
        lacking = not granted and not self._has(bucket)
        return Allowance(
            bucket.burst,
            max(0, self._left(bucket)),
            seconds * bucket.burst,
            retry_after=seconds if lacking else None,
        )
