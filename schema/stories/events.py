"""Live events, as the schema shows them."""

from datetime import datetime
from typing import Any, Self
from weakref import WeakKeyDictionary

import strawberry

from domain import events
from domain.events import Gap, LibrarySnapshot, Recorded, Snapshot, Told
from domain.stories import StoryStatus
from schema.nodes import STORY, global_id
from schema.scalars import Cursor
from schema.stories.types import ChapterType, StoryType, UnfinishedChapterType


@strawberry.interface(
    name="ViewerEvent",
    description="Something that happened to the viewer's stories. New kinds may be added: skip "
    "those you do not know, but keep their `cursor`.",
)
class ViewerEventType:
    """What everything has that a follower is told."""

    cursor: Cursor = strawberry.field(
        description="Its place in this subscription's log. Keep the newest one, and pass it as "
        "`after` when you come back: you miss nothing and get nothing twice."
    )
    occurred_at: datetime = strawberry.field(description="When it happened.")

    @property
    def position(self) -> str:
        """Where a follower goes on who was told of it."""
        return self.cursor


@strawberry.interface(name="StoryEvent", description="Something that happened to one story.")
class StoryEventType(ViewerEventType):
    """What an event of one story has."""

    story_id: strawberry.ID = strawberry.field(description="The `id` of the story.")

    @classmethod
    def publish(cls, recorded: Recorded) -> Self:
        """Make the published form of an event; its own fields have the domain's names."""
        return cls(
            cursor=Cursor(str(recorded.cursor)),
            occurred_at=recorded.occurred_at,
            story_id=global_id(STORY, recorded.story_id),
            **cls._particular(recorded),
        )

    @classmethod
    def _particular(cls, recorded: Recorded) -> dict[str, Any]:
        return recorded.event.model_dump(exclude={"kind"})


@strawberry.type(name="StoryQueued", description="The story waits for a worker.")
class StoryQueuedType(StoryEventType):
    """Published."""

    place: int = strawberry.field(description="Its place in line; 1 is next.")


@strawberry.type(
    name="StoryStageChanged", description="The work on the story entered another stage."
)
class StoryStageChangedType(StoryEventType):
    """Published."""

    stage: StoryStatus = strawberry.field(description="Where the story stands now.")


@strawberry.type(
    name="StoryRestarted",
    description="Another attempt goes on from the last finished chapter. Drop the text of "
    "`fromChapter` and all later ones: other words will come.",
)
class StoryRestartedType(StoryEventType):
    """Published."""

    attempt: int = strawberry.field(description="The number of the attempt, from 2.")
    from_chapter: int = strawberry.field(description="The first chapter that is written anew.")


@strawberry.type(name="ChapterStarted", description="A chapter begins; its text comes next.")
class ChapterStartedType(StoryEventType):
    """Published."""

    chapter: int = strawberry.field(description="Its number, from 1.")
    of: int = strawberry.field(description="How many chapters the story will have.")
    title: str = strawberry.field(description="Its heading, which is not part of the text.")


@strawberry.type(
    name="TextAppended",
    description="More text of a chapter: a sentence, or what came in 250 ms; at most 2 kB, and at "
    "most 20 of them a second.",
)
class TextAppendedType(StoryEventType):
    """Published."""

    chapter: int = strawberry.field(description="Which chapter it belongs to.")
    offset: int = strawberry.field(
        description="Where in the chapter it begins: the length of the text before it, in UTF-16 "
        "code units, as `length` counts in JavaScript."
    )
    text: str = strawberry.field(description="The text, to be appended as it is.")
    attempt: int = strawberry.field(
        description="Which attempt wrote it, from 1: texts of two attempts never go together."
    )

    @classmethod
    def _particular(cls, recorded: Recorded) -> dict[str, Any]:
        return {**super()._particular(recorded), "attempt": recorded.origin.epoch}


@strawberry.type(
    name="ChapterCompleted", description="A chapter is done and stored; nothing of it will change."
)
class ChapterCompletedType(StoryEventType):
    """Published."""

    chapter: int = strawberry.field(description="Its number.")
    words: int = strawberry.field(description="How many words it has.")
    sha256: str = strawberry.field(
        description="SHA-256 over the UTF-8 bytes of its text, in lower-case hexadecimal: compare "
        "it with what you have, and you know that nothing is missing."
    )


@strawberry.type(name="StoryReady", description="The story is done and stored. Nothing follows.")
class StoryReadyType(StoryEventType):
    """Published."""

    chapters: int = strawberry.field(name="chapterCount", description="How many chapters it has.")
    words: int = strawberry.field(description="How many words it has.")
    sha256: str = strawberry.field(
        description="SHA-256 over the UTF-8 bytes of its chapters' texts, joined by one blank line "
        "(`\\n\\n`), in lower-case hexadecimal."
    )


@strawberry.type(
    name="StoryFailed",
    description="The story cannot be written. Its finished chapters stay; drop the text of an "
    "unfinished one. Nothing follows.",
)
class StoryFailedType(StoryEventType):
    """Published."""

    code: str = strawberry.field(description="Stable name of the reason.")
    message: str = strawberry.field(description="A sentence for people.")
    blocked: bool = strawberry.field(description="Whether its content was the reason.")
    chapters: int = strawberry.field(
        name="chapterCount", description="How many finished chapters stay."
    )


@strawberry.type(
    name="StoryCanceled",
    description="Its owner cancelled the story. Its finished chapters stay; drop the text of an "
    "unfinished one. Nothing follows.",
)
class StoryCanceledType(StoryEventType):
    """Published."""

    chapters: int = strawberry.field(
        name="chapterCount", description="How many finished chapters stay."
    )


@strawberry.type(
    name="StorySnapshot",
    description="The story as it stands: put it in the place of all you have of it.",
)
class StorySnapshotType(StoryEventType):
    """Published."""

    story: StoryType = strawberry.field(
        description="The story. For its text take `chapters` here, which fits the `cursor`."
    )
    chapters: list[ChapterType] = strawberry.field(description="Its finished chapters, in order.")
    unfinished: UnfinishedChapterType | None = strawberry.field(
        description="The chapter that is being written; null between two."
    )

    @classmethod
    def tell(cls, snapshot: Snapshot) -> Self:
        """Make the published form of a snapshot."""
        return cls(
            cursor=Cursor(str(snapshot.cursor)),
            occurred_at=snapshot.taken_at,
            story_id=global_id(STORY, snapshot.story.id),
            story=StoryType.tell(snapshot.story),
            chapters=[ChapterType.tell(chapter) for chapter in snapshot.told],
            unfinished=UnfinishedChapterType.tell(snapshot),
        )


@strawberry.type(
    name="StoryGap",
    description="Events after `cursor` cannot be told any more. A `StorySnapshot` comes next.",
)
class StoryGapType(StoryEventType):
    """Published."""


@strawberry.type(
    name="LibrarySnapshot",
    description="All unfinished stories as they stand: put them in the place of all unfinished "
    "ones you have. One that you have and that is not here has ended: fetch it again.",
)
class LibrarySnapshotType(ViewerEventType):
    """Published."""

    stories: list[StorySnapshotType] = strawberry.field(description="The unfinished stories.")


@strawberry.type(
    name="LibraryGap",
    description="Events after `cursor` cannot be told any more. A `LibrarySnapshot` comes next.",
)
class LibraryGapType(ViewerEventType):
    """Published."""


PUBLISHED: dict[type, type[StoryEventType]] = {
    events.StoryQueued: StoryQueuedType,
    events.StageChanged: StoryStageChangedType,
    events.StoryRestarted: StoryRestartedType,
    events.ChapterStarted: ChapterStartedType,
    events.TextAppended: TextAppendedType,
    events.ChapterCompleted: ChapterCompletedType,
    events.StoryReady: StoryReadyType,
    events.StoryFailed: StoryFailedType,
    events.StoryCanceled: StoryCanceledType,
}
"""How each domain event is published."""

KINDS = (*PUBLISHED.values(), StorySnapshotType, StoryGapType, LibrarySnapshotType, LibraryGapType)
"""All that the interfaces stand for: the schema must be told, as no field names them."""


_shown: WeakKeyDictionary[Recorded, StoryEventType] = WeakKeyDictionary()


def publish(told: Told) -> ViewerEventType:
    """Make the published form of what a follower is told.

    An event has one for all its followers, by which they can share what is made of it.
    """
    match told:
        case Recorded():
            shown = _shown.get(told)
            if shown is None:
                shown = _shown[told] = PUBLISHED[type(told.event)].publish(told)
            return shown
        case Snapshot():
            return StorySnapshotType.tell(told)
        case LibrarySnapshot():
            return LibrarySnapshotType(
                cursor=Cursor(str(told.cursor)),
                occurred_at=told.taken_at,
                stories=[StorySnapshotType.tell(snapshot) for snapshot in told.stories],
            )
        case Gap():
            return _gap(told)


def _gap(gap: Gap) -> ViewerEventType:
    cursor = Cursor(str(gap.cursor))
    if gap.story_id is None:
        return LibraryGapType(cursor=cursor, occurred_at=gap.found_at)
    story_id = global_id(STORY, gap.story_id)
    return StoryGapType(cursor=cursor, occurred_at=gap.found_at, story_id=story_id)
