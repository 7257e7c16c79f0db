"""Go on telling that sessions have ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.refusals import UpstreamUnavailable
from usecases.ports.jobs import Retry
from usecases.ports.sessions import SessionEnds


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
