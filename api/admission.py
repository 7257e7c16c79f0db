"""How much a caller may ask for: token buckets of its address, its account and its kind of work."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from uuid import UUID

from loguru import logger

from api.graphql.classes import OperationClass
from bootstrap.settings import Settings
from usecases.ports.limits import Allowance, Bucket, LimitsUnknown, RateLimiter

PATIENCE_SECONDS = 2.0
"""No request waits longer for a limiter that does not answer."""

REST_SECONDS = 1
"""So long it is not asked again."""

COMPLAINT_SECONDS = 30
"""Its loss is logged so often, not for each request."""

NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Rate:
    """So much at once, and so much a minute in the long run."""

    burst: int
    per_minute: int


@dataclass(frozen=True, slots=True)
class Rates:
    """What one address may ask for, and one account.

    `requests` are all of an address, whatever they ask for, and what an account reads. `cost` is
    in points (`api/graphql/cost.py`).
    """

    requests: Rate
    authentication: Rate
    story: Rate
    cost: Rate

    @classmethod
    def of(cls, settings: Settings) -> "Rates":
        """Read them from the settings."""
        return cls(
            requests=Rate(settings.rate_limit_burst, settings.rate_limit_per_minute),
            authentication=Rate(settings.authentication_burst, settings.authentication_per_minute),
            story=Rate(settings.story_burst, settings.story_per_minute),
            cost=Rate(settings.query_cost_per_minute, settings.query_cost_per_minute),
        )

    def of_class(self, kind: OperationClass) -> Rate:
        """Return the rate of a class of operations."""
        match kind:
            case OperationClass.AUTHENTICATION:
                return self.authentication
            case OperationClass.STORY:
                return self.story
            case OperationClass.READ:
                return self.requests


@dataclass(frozen=True, slots=True)
class Toll:
    """One bucket, under the name that headers give its policy, and what is left in it."""

    policy: str
    bucket: Bucket
    allowance: Allowance

    @property
    def wait(self) -> int:
        """Seconds until it has enough; 0 where it had."""
        return self.allowance.retry_after or 0

    @property
    def more(self) -> int:
        """How many more requests like this one it has tokens for."""
        return self.allowance.remaining // self.bucket.tokens

    def headers(self) -> dict[str, str]:
        """Return what draft-ietf-httpapi-ratelimit-headers tells of a bucket.

        `q` tokens at once, refilled within `w` seconds; `r` are left, all again after `t`.
        """
        window = ceil(self.bucket.burst * 60 / self.bucket.per_minute)
        left = self.allowance
        return {
            "RateLimit-Policy": f'"{self.policy}";q={left.limit};w={window}',
            "RateLimit": f'"{self.policy}";r={left.remaining};t={left.reset_seconds}',
        }


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a caller's buckets said: all granted, or one refused and none was taken from."""

    tolls: Sequence[Toll]

    @property
    def tightest(self) -> Toll:
        """The bucket that makes the caller wait longest or, where none does, is emptied first."""
        return max(self.tolls, key=lambda toll: (toll.wait, -toll.more))

    @property
    def retry_after(self) -> int | None:
        """Seconds until the caller may try again; None where it was granted."""
        return self.tightest.allowance.retry_after

    @property
    def cost_left(self) -> int | None:
        """Points that are left of the budget, if it was asked."""
        left = (t.allowance.remaining for t in self.tolls if t.policy.startswith("cost-"))
        return next(left, None)

    def with_earlier(self, earlier: "Admitted | None") -> "Admitted":
        """Return them together with what was taken before, for the same request."""
        return Admitted((*earlier.tolls, *self.tolls)) if earlier else self


@dataclass(slots=True)
class Admission:
    """Takes tokens for each request and for each operation on a socket."""

    limiter: RateLimiter
    rates: Rates
    _lost_at: float = field(default=NEVER, init=False)
    _complained_at: float = field(default=NEVER, init=False)

    async def knock(self, network: str) -> Admitted | None:
        """Take a token of an address, before anything is read; None where nobody can tell."""
        return await self._take([("address", _bucket(f"edge:{network}", self.rates.requests))])

    async def enter(
        self,
        network: str,
        account_id: UUID | None,
        classes: Mapping[OperationClass, int],
        cost: int,
    ) -> Admitted | None:
        """Take what an operation needs: by class and cost, of its address and its account.

        All of it or nothing is taken. None where nobody can tell.
        """
        holders = {"address": network}
        if account_id is not None:
            holders["account"] = str(account_id)
        wanted = [
            (f"{kind}-{who}", _bucket(f"{kind}:{who}:{holder}", self.rates.of_class(kind), count))
            for kind, count in classes.items()
            for who, holder in holders.items()
            if (kind, who) != (OperationClass.READ, "address")  # `knock` has counted it
        ]
        who, holder = list(holders.items())[-1]
        wanted.append((f"cost-{who}", _bucket(f"cost:{who}:{holder}", self.rates.cost, cost)))
        return await self._take(wanted)

    async def _take(self, wanted: Sequence[tuple[str, Bucket]]) -> Admitted | None:
        if time.monotonic() - self._lost_at < REST_SECONDS:
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                told = await self.limiter.take(*(bucket for _, bucket in wanted))
        except (LimitsUnknown, TimeoutError):
            self._lose()
            return None
        return Admitted(
            [
                Toll(policy, bucket, allowance)
                for (policy, bucket), allowance in zip(wanted, told, strict=True)
            ]
        )

    def _lose(self) -> None:
        self._lost_at = time.monotonic()
        if self._lost_at - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = self._lost_at
            logger.warning("Rate limits are not kept: Redis does not answer")


LIMITS_UNKNOWN = "Signing in is not possible for a moment: try again soon."


def too_many(retry_after: int) -> str:
    """Say that a bucket is empty."""
    return f"Too many requests: try again in {retry_after} seconds."


def _bucket(key: str, rate: Rate, tokens: int = 1) -> Bucket:
    return Bucket(key, rate.burst, rate.per_minute, tokens)
