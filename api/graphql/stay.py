"""How long a client may stay connected, and how many at once: on sockets and streams alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Never, TypeVar

from api.codes import Code
from api.drain import Drain
from api.graphql.errors import ErrorEntry, entry, refusal_entry
from domain.refusals import TokenExpired
from domain.sessions import AccessClaims
from usecases.ports.limits import SocketCounts
from usecases.ports.sessions import SessionEnds
from usecases.ports.time_and_chance import Clock

RESTART = "This server restarts: connect again."

CLOSE_SECONDS = 1
"""How long a last word may take where the client does not seem to read."""


@dataclass(frozen=True, slots=True)
class SocketRules:
    """Ceilings and intervals (seconds) of a socket; a stream counts as one.

    A ping goes out every `ping_seconds`, and within `busy_ping_seconds` of anything that is sent:
    so a client that takes nothing any more is cut off within 15 seconds. A stream has no pings: it
    is cut off when nothing could be sent, or nothing that was sent was taken, for `send_seconds`,
    and shows a sign of life after `keep_alive_seconds` of silence.
    """

    operations: int = 10
    per_address: int = 50
    per_account: int = 5
    message_bytes: int = 65_536
    init_seconds: float = 5
    ping_seconds: float = 20
    busy_ping_seconds: float = 5
    pong_seconds: float = 8
    send_seconds: float = 15
    keep_alive_seconds: float = 12


class ClientGone(Exception):  # noqa: N818 - an event
    """Nobody waits for the answer any more."""


class Leave(Exception):  # noqa: N818 - an event
    """The client has to go, for the reason that `entry` tells."""

    comes_back = True
    """Whether it may go on as it is, where it stopped, on another connection."""

    def __init__(self, told: ErrorEntry) -> None:
        super().__init__(told["message"])
        self.entry = told

    @property
    def message(self) -> str:
        """The reason for people."""
        return str(self.entry["message"])

    @property
    def code(self) -> str:
        """The reason for programs."""
        return str(self.entry["extensions"]["code"])


class Crowded(Leave):
    """It is one more than may be connected."""

    def __init__(self, most: int) -> None:
        super().__init__(entry(Code.RATE_LIMITED, f"Too many sockets: at most {most}"))


class SignedOut(Leave):
    """Its token has expired, or its session has ended."""

    comes_back = False


class NobodyKnows(Leave):
    """Whether its token is good cannot be told at the moment."""


class Restarting(Leave):
    """The process goes; others serve on."""

    def __init__(self) -> None:
        super().__init__(entry(Code.UPSTREAM_UNAVAILABLE, RESTART, retry_after=1))


class FellBehind(Leave):
    """It takes its events too slowly."""

    def __init__(self) -> None:
        super().__init__(
            entry(
                Code.UPSTREAM_UNAVAILABLE, "You read too slowly: come back with your newest cursor"
            )
        )


Reason = TypeVar("Reason", bound=Exception)


def first_of(reasons: BaseExceptionGroup[Reason]) -> Reason:
    """Return the first of several reasons to end."""
    first = reasons.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


@dataclass(frozen=True, slots=True)
class Stays:
    """Lets clients in, counted over all processes, and tells when they have to leave."""

    session_ends: SessionEnds
    clock: Clock
    socket_counts: SocketCounts
    drain: Drain
    rules: SocketRules = SocketRules()

    @asynccontextmanager
    async def of_address(self, network: str) -> AsyncIterator[None]:
        """Count one more of an address. Raises Crowded."""
        async with self._counted(f"address:{network}", self.rules.per_address):
            yield

    @asynccontextmanager
    async def of_account(self, claims: AccessClaims) -> AsyncIterator[asyncio.Event]:
        """Count one more of an account, and watch its session. Raises Crowded."""
        async with (
            self._counted(f"account:{claims.account_id}", self.rules.per_account),
            self.session_ends.ended(claims.session_id) as ended,
        ):
            yield ended

    async def until_signed_out(self, claims: AccessClaims, ended: asyncio.Event) -> Never:
        """Wait for as long as the token is good and the session lives. Raises SignedOut."""
        left = (claims.expires_at - self.clock.now()).total_seconds()
        try:
            async with asyncio.timeout(left):
                await ended.wait()
        except TimeoutError:
            raise SignedOut(refusal_entry(TokenExpired())) from None
        raise SignedOut(entry("SESSION_ENDED", "The session has ended: log in again."))

    async def until_draining(self) -> Never:
        """Wait for this client's turn when the process goes. Raises Restarting."""
        await self.drain.turn()
        raise Restarting

    @asynccontextmanager
    async def _counted(self, holder: str, most: int) -> AsyncIterator[None]:
        if not await self.socket_counts.claim(holder, most):
            raise Crowded(most)
        try:
            yield
        finally:
            await self.socket_counts.release(holder)
