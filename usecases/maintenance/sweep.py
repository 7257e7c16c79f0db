"""Remove what is over and of no use to anybody."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from loguru import logger

from domain.jobs import Priority, Queue, RetryPolicy, Task, Terms
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work

AT_ONCE = 200
"""Rows a transaction removes: it is short, and holds up nobody."""

Removal = Callable[[Work], Awaitable[int]]
"""Removes at most AT_ONCE rows, and tells how many."""


class SweepTask(Task):
    """Remove what is long over; the next turn makes good what this one leaves."""

    terms: ClassVar[Terms] = Terms(
        kind="sweep",
        queue=Queue.MAINTENANCE,
        priority=Priority.LOW,
        retry=RetryPolicy(attempts=3, first=timedelta(minutes=1)),
        timeout=timedelta(minutes=30),
        unique_by=(),
    )


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is over is kept; of strangers, what the audit trail tells of their devices."""

    sessions: timedelta = timedelta(days=7)
    unproven_accounts: timedelta = timedelta(hours=24)
    finished_jobs: timedelta = timedelta(days=7)
    decoys: timedelta = timedelta(days=7)
    strangers: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Removes what is long over: sessions, tokens, unproven accounts, jobs, mails for nobody.

    Of the audit trail it removes details alone, of those who have no account (any more).

    A refresh token that has expired is refused whether or not it is still there. `idle` is how
    long a session may stay unused before it has ended.
    """

    database: Database
    clock: Clock
    idle: timedelta
    retention: Retention = Retention()

    async def __call__(self) -> int:
        """Return how many rows it removed; what goes with an account or a session is not counted.

        Running it again, or twice at once, does no harm.
        """
        now, keep = self.clock.now(), self.retention
        removed = {
            "sessions": await self._all(
                lambda work: work.sessions.remove_over(now - keep.sessions, self.idle, AT_ONCE)
            ),
            "tokens": await self._all(
                lambda work: work.sessions.remove_expired_tokens(now, AT_ONCE)
            ),
            "accounts": await self._all(
                lambda work: work.accounts.remove_pending_since(
                    now - keep.unproven_accounts, AT_ONCE
                )
            ),
            "jobs": await self._all(
                lambda work: work.jobs.remove_finished(now - keep.finished_jobs, AT_ONCE)
            ),
            "decoys": await self._all(
                lambda work: work.deliveries.remove_decoys(now - keep.decoys, AT_ONCE)
            ),
            "strangers": await self._all(
                lambda work: work.audit.forget_strangers(now - keep.strangers, AT_ONCE)
            ),
        }
        if any(removed.values()):
            logger.bind(**removed).info("Swept")
        return sum(removed.values())

    async def _all(self, remove: Removal) -> int:
        """Remove in as many transactions as it takes."""
        total = 0
        while True:
            async with self.database.begin() as work:
                count = await remove(work)
            total += count
            if count < AT_ONCE:
                return total
