"""How much somebody may ask for, or guess."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.lockouts import Guess


class Lockout(Protocol):
    """How often somebody may guess at an account's secrets.

    All raise UpstreamUnavailable where their store does not answer.
    """

    async def admit(self, guess: Guess) -> int:
        """Count a guess, before it is checked; return how many more may follow.

        So no more than the allowed ones are ever checked, however many come at once. Raises
        AccountLocked, and then the guess is not counted.
        """
        ...

    async def lift(self, guess: Guess) -> None:
        """Forget the guesses from this place: one of them was right."""
        ...

    async def lift_all(self, email: str) -> None:
        """Forget all guesses at the account with this address: its owner has a new password."""
        ...


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a caller: `remaining` of `limit` at once, all of it in `reset_seconds`.

    `retry_after` is None where the request was granted, else the seconds until the next may be.
    """

    limit: int
    remaining: int
    reset_seconds: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: it holds `burst` tokens and gets `per_minute` of them back.

    `tokens` are to be taken at once. Who wants more than it holds takes all that it holds.
    """

    key: str
    burst: int
    per_minute: int
    tokens: int = 1


class RateLimiter(Protocol):
    """Token buckets that all processes share."""

    async def take(self, *buckets: Bucket) -> Sequence[Allowance]:
        """Take from all of the buckets or, where one holds too little, from none of them.

        Returns an allowance a bucket. Raises LimitsUnknown when nobody can tell.
        """
        ...


class SocketCounts(Protocol):
    """How many sockets a network or an account has in all processes together."""

    async def claim(self, holder: str, most: int) -> bool:
        """Count a socket more of the holder, unless it has the most already; tell which.

        While the other processes cannot be asked, only those of this one are counted.
        """
        ...

    async def release(self, holder: str) -> None:
        """Count a socket less."""
        ...


class LimitsUnknown(Exception):  # noqa: N818 - an answer
    """The buckets cannot be reached: what security hangs on must be refused."""
