"""Live events."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.events import Cursor, Recorded, StoryEvent


@dataclass(frozen=True, slots=True)
class LiveText:
    """What the log knows of a story right after the event at `cursor`.

    `chapters` are complete, and in the database. `text` is the chapter that is being told, as far
    as it was told; `chapter` is its number, 0 between two chapters.
    """

    cursor: Cursor
    chapters: int = 0
    chapter: int = 0
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """A log that can be followed: one story's, or all stories of an account."""

    account_id: UUID
    story_id: UUID | None = None


class CursorLost(Exception):  # noqa: N818 - an answer
    """The log cannot go on from this cursor without a gap."""


class LogAway(Exception):  # noqa: N818 - an answer
    """The log does not answer at the moment: what it knows, nobody can tell."""


class FollowerTooSlow(Exception):  # noqa: N818 - an answer
    """The follower takes its events too slowly: it must come again with its last cursor."""


class EventWriter(Protocol):
    """The pen of one attempt. It alone numbers the attempt's events, from 1 and without a gap."""

    async def append(self, event: StoryEvent) -> Cursor | None:
        """Record the next event, in the story's log and in its account's in one step.

        None when the log took it not: it is down (the event keeps its number, so that followers
        see the gap), has ended with this attempt, or has gone over to another. Never raises for
        that.
        """
        ...


class EventLog(Protocol):
    """Live events: appended first, then announced. A copy for speed; its loss is survivable."""

    def writer(self, story: Topic, epoch: int, chapters: int = 0) -> EventWriter:
        """Begin an epoch of a story of which so many `chapters` are stored."""
        ...

    async def append(self, story: Topic, epoch: int, event: StoryEvent) -> Cursor | None:
        """Record an event in an epoch that somebody else writes: a new place, an end.

        After a failure the epoch goes on with such events: the story was retried, and waits.
        None and no exception when the log took it not, as with a writer.
        """
        ...

    async def live(self, story: Topic) -> LiveText | None:
        """Return the unfinished text and its place, or None for an empty log. Raises LogAway."""
        ...

    async def unended(self, stories: Sequence[Topic]) -> list[Topic]:
        """Return those stories that have a log which tells of no end. Raises LogAway."""
        ...

    async def position(self, account: Topic) -> Cursor:
        """Return the place of an account's newest event, or the beginning of its log.

        Raises LogAway.
        """
        ...

    def follow(self, topic: Topic, after: Cursor) -> AsyncGenerator[Recorded | None, None]:
        """Yield each event after the cursor, without gap or repetition, for ever.

        Listens first, then reads, then follows. None is a silence: the caller may look whether the
        truth has moved on without the log. Raises CursorLost where the log cannot go on gaplessly,
        FollowerTooSlow where too much has piled up.
        """
        ...
