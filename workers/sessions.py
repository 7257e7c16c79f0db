"""Jobs about sessions."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from domain.jobs import AnnounceEnds, Lease, RetryPolicy
from workers.runner import Handler


class SessionDuties(Protocol):
    """What these jobs call."""

    async def announce_ends(self, session_ids: Sequence[UUID]) -> None:
        """Tell every process that these sessions have ended."""
        ...


def announce_ends(duties: SessionDuties) -> Handler:
    """Announce ends. Access tokens outlive their session by minutes at most, so tries are few."""

    async def run(task: AnnounceEnds, _: Lease) -> None:
        await duties.announce_ends(task.session_ids)

    async def abandon(_: AnnounceEnds, __: Lease, ___: str) -> None:
        """Tell nobody: the tokens have expired by themselves."""

    return Handler(run, abandon, RetryPolicy(attempts=20), timeout=timedelta(minutes=1))
