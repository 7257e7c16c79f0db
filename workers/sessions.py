"""Jobs about sessions."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.jobs import Lease
from usecases.accounts.announce_ends import AnnounceEndsTask
from workers.runner import Handler


class SessionDuties(Protocol):
    """What these jobs call."""

    async def announce_ends(self, session_ids: Sequence[UUID]) -> None:
        """Tell every process that these sessions have ended."""
        ...


def announce_ends(duties: SessionDuties) -> Handler:
    """Announce ends; nobody is told when that fails, as the tokens have expired by themselves."""

    async def run(task: AnnounceEndsTask, _: Lease) -> None:
        await duties.announce_ends(task.session_ids)

    return Handler(AnnounceEndsTask, run)
