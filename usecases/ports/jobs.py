"""Jobs, and who runs them."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.jobs import Job, Lease


class JobDesk(Protocol):
    """Where workers take jobs and bring them back. Each call is a transaction of its own."""

    async def claim(self, job_id: UUID) -> tuple[Job, Lease] | None:
        """Take a job that is due, or whose worker's lease ran out; None when there is nothing."""
        ...

    async def renew(self, lease: Lease) -> Lease:
        """Hold on to it for another while. Raises LeaseLost."""
        ...

    async def finish(self, lease: Lease) -> None:
        """Record that it is done. Raises LeaseLost."""
        ...

    async def retry(self, lease: Lease, at: datetime, error: str) -> None:
        """Have it tried again at `at`. Raises LeaseLost."""
        ...

    async def bury(self, lease: Lease, error: str) -> None:
        """Make it a dead letter, not tried again by itself. Raises LeaseLost."""
        ...

    async def release(self, lease: Lease, *, until: datetime | None = None) -> None:
        """Hand it back untried, for now or for later, as a worker does that must stop.

        Raises LeaseLost.
        """
        ...

    async def due(self, limit: int) -> list[Job]:
        """Return jobs that wait for a worker and were not woken lately, noting that they are now.

        Relays that ask at once get different jobs.
        """
        ...

    def promised(self) -> AsyncGenerator[None, None]:
        """Yield at once, and again whenever a commit may have made a job due.

        Raises ConnectionError where it cannot listen any more.
        """
        ...


class JobQueue(Protocol):
    """Wakes workers. A lost wake-up costs time, never a job."""

    async def wake(self, jobs: Sequence[Job]) -> None: ...
    async def call_off(self, job_ids: Sequence[UUID]) -> None:
        """Tell the worker that runs one of these to stop now."""
        ...


class Retry(Exception):  # noqa: N818 - an instruction
    """A job's attempt failed for a passing reason: try again, `after` seconds from now if given."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after
