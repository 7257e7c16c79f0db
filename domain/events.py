"""What happens to a story while it is made: the events its reader watches live."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field

from domain.entity import Value
from domain.refusals import CursorInvalid
from domain.stories import Chapter, Story, StoryStatus

MAX_DIGITS = 19
ASTRAL = 0x10000
"""First code point that UTF-16 writes as two units."""


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in an event log.

    `epoch` names one telling of the log: for a story it is the attempt (0 while it waits), for all
    of an account's stories the time the log was begun. `sequence` counts from 1 without a gap
    within its epoch. On the wire: `<epoch>-<sequence>`.
    """

    epoch: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.sequence}"

    def follows(self, other: "Cursor") -> bool:
        """Whether no event can stand between the other place and this one."""
        return self.epoch == other.epoch and self.sequence == other.sequence + 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor that a client sent back. Raises CursorInvalid."""
        epoch, dash, sequence = text.partition("-")
        if not (dash and _is_number(epoch) and _is_number(sequence)):
            raise CursorInvalid(path=("after",))
        return cls(int(epoch), int(sequence))


def _is_number(text: str) -> bool:
    return len(text) < MAX_DIGITS and text.isascii() and text.isdecimal()


class StoryQueued(Value):
    """The story waits for a worker; `place` 1 is next in line."""

    kind: Literal["story_queued"] = "story_queued"
    place: int


class StageChanged(Value):
    """The work on the story entered another stage."""

    kind: Literal["stage_changed"] = "stage_changed"
    stage: StoryStatus


class StoryRestarted(Value):
    """Another attempt goes on from the last stored chapter.

    Text of `from_chapter` and later that was received before is void: other words will come.
    """

    kind: Literal["story_restarted"] = "story_restarted"
    attempt: int
    from_chapter: int


class ChapterStarted(Value):
    """A chapter begins; `of` is how many the plan has."""

    kind: Literal["chapter_started"] = "chapter_started"
    chapter: int
    of: int
    title: str


class TextAppended(Value):
    """More text of the chapter that began last.

    `offset` is where it goes, counted in UTF-16 code units as JavaScript's `length` does.
    """

    kind: Literal["text_appended"] = "text_appended"
    chapter: int
    offset: int
    text: str


class ChapterCompleted(Value):
    """The chapter is stored; `sha256` is over the UTF-8 bytes of its whole text."""

    kind: Literal["chapter_completed"] = "chapter_completed"
    chapter: int
    words: int
    sha256: str


class StoryReady(Value):
    """The story is done and stored."""

    kind: Literal["story_ready"] = "story_ready"
    chapters: int
    words: int
    sha256: str


class StoryFailed(Value):
    """The story cannot be written; so many whole `chapters` of it stay, and no more of its text."""

    kind: Literal["story_failed"] = "story_failed"
    code: str
    message: str
    blocked: bool
    chapters: int


class StoryCanceled(Value):
    """Its owner cancelled it; so many whole `chapters` of it stay, and no more of its text."""

    kind: Literal["story_canceled"] = "story_canceled"
    chapters: int


StoryEvent = Annotated[
    StoryQueued
    | StageChanged
    | StoryRestarted
    | ChapterStarted
    | TextAppended
    | ChapterCompleted
    | StoryReady
    | StoryFailed
    | StoryCanceled,
    Field(discriminator="kind"),
]

ENDS = (StoryReady, StoryFailed, StoryCanceled)
"""After one of these a story has no more events."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Recorded:
    """An event as a log keeps it.

    `cursor` is its place in the log that it was read from, `origin` its place in its story's own.
    """

    cursor: Cursor
    origin: Cursor
    story_id: UUID
    occurred_at: datetime
    event: StoryEvent


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Snapshot:
    """A story as it stands at `cursor`: in the place of all events up to there.

    `told` are its whole chapters. `text` is the one that is being told, as far as it was released;
    `chapter` is its number, 0 where none is begun.
    """

    cursor: Cursor
    taken_at: datetime
    story: Story
    told: tuple[Chapter, ...]
    chapter: int = 0
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class LibrarySnapshot:
    """All unfinished stories of an account as they stand at `cursor` of the account's log."""

    cursor: Cursor
    taken_at: datetime
    stories: tuple[Snapshot, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Events after `cursor` are lost to this follower: a snapshot comes next, and replaces all.

    `story_id` is None where it is the log of a whole account.
    """

    cursor: Cursor
    found_at: datetime
    story_id: UUID | None = None


Told = Recorded | Snapshot | LibrarySnapshot | Gap
"""What a follower is told."""


def utf16_length(text: str) -> int:
    """How long a text is in UTF-16 code units, as JavaScript counts."""
    return len(text) + sum(1 for character in text if ord(character) >= ASTRAL)
