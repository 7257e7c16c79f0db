"""Plain reads, for the edge."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.accounts import Account
from domain.audit import AuditRecord
from domain.jobs import Job, JobState, Queue
from domain.passkeys import Passkey
from domain.second_factors import SecondFactor
from domain.sessions import Session
from domain.stories import Chapter, Story, StoryStatus


@dataclass(frozen=True, slots=True)
class StoriesPage:
    """Which of an account's stories are wanted: newest first or oldest first, at most `limit`.

    `after` is the (requested_at, id) of the last story of the page before. Who wants to know
    whether there are more asks for one more than is shown.
    """

    account_id: UUID
    limit: int
    after: tuple[datetime, UUID] | None = None
    statuses: Sequence[StoryStatus] = ()
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class PlaceInLine:
    """A queued story and how many are before it: `place` 1 is next.

    `attempt` is 0, or that of the last attempt where the story was retried.
    """

    story_id: UUID
    account_id: UUID
    attempt: int
    place: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Which of an account's audit records are wanted: newest first, at most `limit`.

    `after` is the (occurred_at, id) of the last entry of the page before.
    """

    account_id: UUID
    limit: int
    after: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class JobsPage:
    """Which jobs in a state are wanted: newest first, at most `limit`.

    Dead letters are as new as their end, others as their beginning: `after` is that time and the id
    of the last job of the page before.
    """

    state: JobState
    limit: int
    after: tuple[datetime, UUID] | None = None
    queue: Queue | None = None
    kind: str | None = None


DESERTED = timedelta(minutes=1)
"""How long a job waits in a queue that has nothing else to do before somebody should look."""


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """How many jobs of a queue wait, run or are dead; `oldest` has waited for that long."""

    queue: Queue
    scheduled: int = 0
    queued: int = 0
    running: int = 0
    dead: int = 0
    oldest: timedelta | None = None

    @property
    def is_deserted(self) -> bool:
        """Whether jobs wait as they do where no worker serves the queue."""
        return not self.running and self.oldest is not None and self.oldest > DESERTED


class Reads(Protocol):
    """Queries without rules, for the edge: each call is one statement, and changes are not kept.

    What is not found is left out. Only `story`, `stories_of` and `audit_of` check the owner.
    """

    async def accounts(self, account_ids: Sequence[UUID]) -> dict[UUID, Account]: ...
    async def session(self, session_id: UUID) -> Session | None: ...
    async def sessions_of(self, account_id: UUID) -> list[Session]:
        """Return the account's sessions that were not ended, newest used first."""
        ...

    async def second_factor(self, account_id: UUID) -> SecondFactor | None: ...
    async def passkeys(self, passkey_ids: Sequence[UUID]) -> dict[UUID, Passkey]: ...
    async def passkeys_of(self, account_id: UUID) -> list[Passkey]:
        """Return the account's passkeys, oldest first."""
        ...

    async def story(self, account_id: UUID, story_id: UUID) -> Story | None: ...
    async def stories(self, story_ids: Sequence[UUID]) -> dict[UUID, Story]: ...
    async def stories_of(self, page: StoriesPage) -> list[Story]: ...
    async def count_stories_of(self, page: StoriesPage) -> int:
        """Count the stories that all pages of this kind have together."""
        ...

    async def chapters(self, story_ids: Sequence[UUID]) -> dict[UUID, list[Chapter]]:
        """Return the stored chapters of each story, by number; a story without any has []."""
        ...

    async def places(self, story_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Return the place in line of those of the stories that wait."""
        ...

    async def line(self) -> list[PlaceInLine]:
        """Return all stories that wait for a worker, next first."""
        ...

    async def jobs(self, page: JobsPage) -> list[Job]:
        """Return a page of everybody's jobs, newest first."""
        ...

    async def queues(self) -> list[QueueLoad]:
        """Return what is in each queue, in the order of `Queue`."""
        ...

    async def audit_of(self, page: AuditPage) -> list[AuditRecord]:
        """Return a page of what was recorded of an account, newest first."""
        ...

    async def audit_trail(self, after: int, limit: int) -> list[AuditRecord]:
        """Return what follows the entry with that sequence, of whomever, oldest first."""
        ...
