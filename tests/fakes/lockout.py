"""Lockouts in memory."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

from domain.lockouts import Guess, LockoutPolicy
from domain.refusals import AccountLocked, UpstreamUnavailable
from usecases.ports.time_and_chance import Clock

Place = tuple[str, str]
"""What a guess counts for: a device or a network, and which."""


@dataclass
class FakeLockout:
    """Implements `Lockout`. While it `is_down` nobody is admitted."""

    clock: Clock
    policy: LockoutPolicy = field(default_factory=LockoutPolicy)
    is_down: bool = False
    _guesses: defaultdict[str, list[tuple[Place, datetime]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    async def admit(self, guess: Guess) -> int:
        self._check()
        now, policy, place = self.clock.now(), self.policy, _place(guess)
        guesses = self._guesses[guess.email]
        guesses[:] = [(at, moment) for at, moment in guesses if moment > now - policy.window]
        here = [moment for at, moment in guesses if at == place]
        if len(here) >= policy.failures:
            raise _locked(here[-policy.failures] + policy.window, now)
        strangers = [moment for at, moment in guesses if at[0] == "network"]
        if guess.device is None and len(strangers) >= policy.strangers:
            next_turn = strangers[-1] + policy.pace
            if next_turn > now:
                raise _locked(next_turn, now)
        guesses.append((place, now))
        return policy.failures - len(here) - 1

    async def lift(self, guess: Guess) -> None:
        self._check()
        guesses = self._guesses[guess.email]
        guesses[:] = [(place, moment) for place, moment in guesses if place != _place(guess)]

    async def lift_all(self, email: str) -> None:
        self._check()
        self._guesses.pop(email, None)

    def _check(self) -> None:
        if self.is_down:
            raise UpstreamUnavailable


def _place(guess: Guess) -> Place:
    return ("network", guess.network) if guess.device is None else ("device", str(guess.device))


def _locked(until: datetime, now: datetime) -> AccountLocked:
    return AccountLocked(retry_after=ceil((until - now).total_seconds()))
