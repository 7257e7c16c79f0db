"""Show how far stories are told, to who asks now and then."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.events import Snapshot
from domain.stories import StoryStatus
from usecases.ports.live import EventLog
from usecases.ports.reads import Reads
from usecases.ports.time_and_chance import Clock
from usecases.stories.snapshot import NOWHERE, Snapshots


@dataclass(frozen=True, slots=True)
class ShowProgress:
    """Shows an account's stories as a follower sees them at this moment.

    Within an attempt their text only grows. So a story is left out while nobody knows what was
    told of it: with what is stored alone, its text would go back.
    """

    reads: Reads
    events: EventLog
    clock: Clock

    async def __call__(self, account_id: UUID, story_ids: Sequence[UUID]) -> dict[UUID, Snapshot]:
        """Return the snapshots by story."""
        snapshots = Snapshots(self.reads, self.events, self.clock)
        taken = await snapshots.of(account_id, story_ids)
        return {shown.story.id: shown for shown in taken if _is_known(shown)}


def _is_known(shown: Snapshot) -> bool:
    status = shown.story.status
    untold = status is StoryStatus.QUEUED or status.is_end
    return untold or 0 < shown.cursor.sequence < NOWHERE
