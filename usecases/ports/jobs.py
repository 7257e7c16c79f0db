"""Jobs, and who runs them."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from domain.jobs import Job, Lease, Queue, Schedule, Terms


class JobDesk(Protocol):
    """Where workers take jobs and bring them back. Each call is a transaction of its own.

    All times are the database's: whose clock is wrong does no job too early or too often.
    """

    async def claim(self, queue: Queue, known: Sequence[Terms]) -> tuple[Job, Lease] | None:
        """Take the job of a queue whose turn it is; None when none waits.

        The most urgent goes first, then the lowest turn, then the oldest. Jobs of kinds or versions
        that are not `known` wait for a worker that knows them.
        """
        ...

    async def renew(self, lease: Lease) -> Lease:
        """Hold on to it for another while. Raises LeaseLost."""
        ...

    async def finish(self, lease: Lease) -> None:
        """Record that it is done. Raises LeaseLost."""
        ...

    async def retry(self, lease: Lease, after: timedelta, error: str) -> None:
        """Have it tried again `after` from now. Raises LeaseLost."""
        ...

    async def bury(self, lease: Lease, error: str) -> None:
        """Make it a dead letter, not tried again by itself. Raises LeaseLost."""
        ...

    async def release(self, lease: Lease) -> None:
        """Hand it back untried, as a worker does that must stop. Raises LeaseLost."""
        ...

    async def due(self, limit: int, known: Sequence[Terms]) -> list[Job]:
        """Queue the jobs whose time has come or whose worker fell silent; tell who must be woken.

        Returns, of each queue, up to `limit` jobs of `known` kinds and versions that are next and
        were not woken lately, noting that they are now. Relays that ask at once get different jobs.
        """
        ...

    async def tick(self, schedules: Sequence[Schedule]) -> list[Job]:
        """Promise the tasks of schedules whose time has come: one job a tick, whoever asks.

        The time is PostgreSQL's. Of ticks that were missed, the last alone is made good.
        """
        ...


class JobQueue(Protocol):
    """Wakes workers. A lost wake-up costs time, never a job."""

    async def wake(self, jobs: Sequence[Job]) -> None:
        """Have, for each of the jobs, a worker of its queue take the one whose turn it is."""
        ...

    async def call_off(self, job_ids: Sequence[UUID]) -> None:
        """Tell the worker that runs one of these to stop now."""
        ...


class ProviderSlots(Protocol):
    """Bounds how many calls to a provider run at once, over all workers."""

    def hold(self, provider: str) -> AbstractAsyncContextManager[None]:
        """Hold one of the provider's slots for the length of a block; wait until one is free.

        The block is cancelled, and Retry raised, where the slot cannot be held any longer.
        """
        ...


class Retry(Exception):  # noqa: N818 - an instruction
    """A job's attempt failed for a passing reason: try again, `after` seconds from now if given."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after
