"""How much a caller may ask for: one token bucket for each client address."""

import asyncio
import time
from dataclasses import dataclass, field
from math import ceil

from loguru import logger

from usecases.ports import Allowance, LimitsUnknown, RateLimiter

PATIENCE_SECONDS = 0.5
"""No request waits longer for a limiter that does not answer."""

REST_SECONDS = 1
"""So long it is not asked again."""

COMPLAINT_SECONDS = 30
"""Its loss is logged so often, not for each request."""

NEVER = float("-inf")


@dataclass(slots=True)
class Admission:
    """Takes a token for each request and for each operation on a socket."""

    limiter: RateLimiter
    burst: int
    per_minute: int
    _lost_at: float = field(default=NEVER, init=False)
    _complained_at: float = field(default=NEVER, init=False)

    async def ask(self, network: str) -> Allowance | None:
        """Return what is left to the caller, or None where nobody can tell."""
        if time.monotonic() - self._lost_at < REST_SECONDS:
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.limiter.take(
                    f"edge:{network}", burst=self.burst, per_minute=self.per_minute
                )
        except (LimitsUnknown, TimeoutError):
            self._lose()
            return None

    def _lose(self) -> None:
        self._lost_at = time.monotonic()
        if self._lost_at - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = self._lost_at
            logger.warning("Rate limits are not kept: Redis does not answer")

    def headers(self, allowance: Allowance) -> dict[str, str]:
        """Return what draft-ietf-httpapi-ratelimit-headers tells of a bucket.

        `q` requests at once, refilled within `w` seconds; `r` are left, all again after `t`.
        """
        window = ceil(self.burst * 60 / self.per_minute)
        return {
            "RateLimit-Policy": f'"address";q={allowance.limit};w={window}',
            "RateLimit": f'"address";r={allowance.remaining};t={allowance.reset_seconds}',
        }
