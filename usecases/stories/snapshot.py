"""What a follower is shown in the place of events: a story as it stands, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from domain.events import (
    Cursor,
    Recorded,
    Snapshot,
    StoryCanceled,
    StoryEvent,
    StoryFailed,
    StoryReady,
)
from domain.stories import Chapter, Story, StoryStatus
from usecases.ports.live import EventLog, LiveText, LogAway, Topic
from usecases.ports.reads import Reads
from usecases.ports.time_and_chance import Clock

NOWHERE = 10**17
"""A sequence that no log reaches: who comes with it is told of a gap once the log is back."""

AGAIN = 1.0
"""Seconds until one tries again who was told of a gap, while nobody can say what stands there."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Takes snapshots: the place in the log first, then the stored state.

    What happens in between comes as events; the other way round it would be lost.
    """

    reads: Reads
    events: EventLog
    clock: Clock

    async def of(self, account_id: UUID, story_ids: Sequence[UUID]) -> list[Snapshot]:
        """Return the snapshots of an account's stories; those that are gone are left out."""
        lives: dict[UUID, LiveText | Literal["away"] | None]
        try:
            lives = {key: await self.events.live(Topic(account_id, key)) for key in story_ids}
        except LogAway:  # for one is away for all: who looks at many waits for it only once
            lives = dict.fromkeys(story_ids, "away")
        stories = await self.reads.stories(story_ids)
        chapters = await self.reads.chapters(story_ids)
        now = self.clock.now()
        return [
            _snapshot(story, chapters[key], lives[key], now)
            for key in story_ids
            if (story := stories.get(key)) is not None and story.account_id == account_id
        ]


def _snapshot(
    story: Story,
    chapters: Sequence[Chapter],
    live: LiveText | Literal["away"] | None,
    now: datetime,
) -> Snapshot:
    if live is None or live == "away":
        # An empty log goes on with the first event of an attempt; one that is away may hold more.
        sequence = 0 if live is None else NOWHERE
        return Snapshot(Cursor(story.attempt, sequence), now, story, tuple(chapters))
    if story.status.is_end or story.status is StoryStatus.QUEUED:
        # Retried: what was left unfinished when it failed will be written in other words.
        return Snapshot(live.cursor, now, story, tuple(chapters))
    told = tuple(chapters[: live.chapters])  # one more may be stored, and its end not yet told
    return Snapshot(live.cursor, now, story, told, live.chapter, live.title, live.text)


def shows_all(snapshot: Snapshot) -> bool:
    """Whether nothing was told up to its cursor that it does not show: else the log was away."""
    return snapshot.story.status.is_end or snapshot.cursor.sequence < NOWHERE


def ending(snapshot: Snapshot) -> Recorded | None:
    """Return the last event of a story that has ended, made from what is stored."""
    story, chapters = snapshot.story, len(snapshot.told)
    event: StoryEvent
    match story.status:
        case StoryStatus.READY:
            event, when = (
                StoryReady(chapters=chapters, words=story.words, sha256=story.sha256 or ""),
                story.ready_at,
            )
        case StoryStatus.FAILED | StoryStatus.BLOCKED:
            event, when = (
                StoryFailed(
                    code=story.failure_code or "",
                    message=story.failure_message or "",
                    blocked=story.status is StoryStatus.BLOCKED,
                    chapters=chapters,
                ),
                story.failed_at,
            )
        case StoryStatus.CANCELED:
            event, when = StoryCanceled(chapters=chapters), story.canceled_at
        case _:
            return None
    return Recorded(snapshot.cursor, snapshot.cursor, story.id, when or snapshot.taken_at, event)
