"""Go on telling that sessions have ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from domain.jobs import Priority, Queue, RetryPolicy, Task, Terms
from domain.refusals import UpstreamUnavailable
from usecases.ports.jobs import Retry
from usecases.ports.sessions import SessionEnds


class AnnounceEndsTask(Task):
    """Announce ends. Access tokens outlive their session by minutes at most, so tries are few."""

    terms: ClassVar[Terms] = Terms(
        kind="announce_ends",
        queue=Queue.MAINTENANCE,
        priority=Priority.URGENT,
        retry=RetryPolicy(attempts=20),
        timeout=timedelta(minutes=1),
        unique_by=("session_ids",),
    )
    session_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class AnnounceEnds:
    """Makes ends known that could not be told when they were committed. Again does no harm."""

    session_ends: SessionEnds

    async def __call__(self, session_ids: Sequence[UUID]) -> None:
        """Tell every process. Raises Retry to be called again."""
        try:
            for session_id in session_ids:
                await self.session_ends.announce(session_id)
        except UpstreamUnavailable as refusal:
            raise Retry("ends of sessions not announced") from refusal
