"""Tickets, tries and challenges in memory."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID, uuid4

from domain.passkeys import PasskeyInvitation
from domain.refusals import LogInTicketRejected, SecondFactorLocked, UpstreamUnavailable
from domain.second_factors import FactorPolicy, LogInTicket
from usecases.ports.factors import CeremonyFailed
from usecases.ports.time_and_chance import Clock


@dataclass
class FakeLogInTickets:
    """Implements `LogInTickets`."""

    clock: Clock
    policy: FactorPolicy = field(default_factory=FactorPolicy)
    _kept: dict[str, tuple[LogInTicket, datetime]] = field(default_factory=dict)
    _tries: dict[str, int] = field(default_factory=dict)

    async def issue(self, ticket: LogInTicket) -> tuple[str, datetime]:
        text, expires_at = str(uuid4()), self.clock.now() + self.policy.ticket_life
        self._kept[text], self._tries[text] = (ticket, expires_at), self.policy.ticket_tries
        return text, expires_at

    async def show(self, text: str) -> tuple[LogInTicket, int]:
        ticket, expires_at = self._kept.get(text, (None, self.clock.now()))
        if ticket is None or expires_at <= self.clock.now() or not self._tries[text]:
            raise LogInTicketRejected
        self._tries[text] -= 1
        return ticket, self._tries[text]

    async def redeem(self, text: str) -> None:
        if self._kept.pop(text, None) is None:
            raise LogInTicketRejected


@dataclass
class FakeFactorTries:
    """Implements `FactorTries`. While it `is_down` nobody can tell."""

    clock: Clock
    policy: FactorPolicy = field(default_factory=FactorPolicy)
    is_down: bool = False
    _taken: dict[UUID, tuple[int, datetime]] = field(default_factory=dict)

    async def take(self, account_id: UUID) -> int:
        if self.is_down:
            raise UpstreamUnavailable
        now = self.clock.now()
        count, until = self._taken.get(account_id, (0, now))
        if until <= now:
            count, until = 0, now + self.policy.tries_window
        if count >= self.policy.tries:
            raise SecondFactorLocked(retry_after=ceil((until - now).total_seconds()))
        self._taken[account_id] = count + 1, until
        return self.policy.tries - count - 1

    async def forget(self, account_id: UUID) -> None:
        if self.is_down:
            raise UpstreamUnavailable
        self._taken.pop(account_id, None)


@dataclass
class FakePasskeyChallenges:
    """Implements `PasskeyChallenges`."""

    clock: Clock
    _open: dict[bytes, tuple[PasskeyInvitation | None, datetime]] = field(default_factory=dict)

    async def open(self, invitation: PasskeyInvitation | None) -> bytes:
        challenge = uuid4().bytes + uuid4().bytes
        self._open[challenge] = invitation, self.clock.now() + timedelta(minutes=5)
        return challenge

    async def redeem(self, challenge: bytes) -> PasskeyInvitation | None:
        invitation, expires_at = self._open.pop(challenge, (None, self.clock.now()))
        if expires_at <= self.clock.now():
            raise CeremonyFailed("the challenge is unknown, expired or used")
        return invitation
