"""Live events, as the schema shows them."""

from datetime import datetime
from typing import Any, Self
from weakref import WeakKeyDictionary

import strawberry

from domain import events
from domain.events import Gap, LibrarySnapshot, Recorded, Snapshot, Told
from domain.stories import StoryStatus
from schema import published
from schema.nodes import STORY, global_id
from schema.scalars import Cursor
from schema.stories.types import ChapterType, StoryType, UnfinishedChapterType


@published.as_interface
class ViewerEventType:
    """Something that happened to the viewer's stories.

    New kinds may be added: skip those you do not know, but keep their `cursor`.
    """

    cursor: Cursor = strawberry.field(
        description="Its place in this subscription's log. Keep the newest one, and pass it as "
        "`after` when you come back: you miss nothing and get nothing twice."
    )
    occurred_at: datetime = strawberry.field(description="When it happened.")

    @property
    def position(self) -> str:
        """Where a follower goes on who was told of it."""
        return self.cursor


@published.as_interface
class StoryEventType(ViewerEventType):
    """Something that happened to one story."""

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


@published.as_type
class StoryQueuedType(StoryEventType):
    """The story waits for a worker."""

    place: int = strawberry.field(description="Its place in line; 1 is next.")


@published.as_type
class StoryStageChangedType(StoryEventType):
    """The work on the story entered another stage."""

    stage: StoryStatus = strawberry.field(description="Where the story stands now.")


@published.as_type
class StoryRestartedType(StoryEventType):
    """Another attempt goes on from the last finished chapter.

    Drop the text of `fromChapter` and all later ones: other words will come.
    """

    attempt: int = strawberry.field(description="The number of the attempt, from 2.")
    from_chapter: int = strawberry.field(description="The first chapter that is written anew.")


@published.as_type
class ChapterStartedType(StoryEventType):
    """A chapter begins; its text comes next."""

    chapter: int = strawberry.field(description="Its number, from 1.")
    of: int = strawberry.field(description="How many chapters the story will have.")
    title: str = strawberry.field(description="Its heading, which is not part of the text.")


@published.as_type
class TextAppendedType(StoryEventType):
    """More text of a chapter: a sentence, or what came in 250 ms; at most 2 kB, and at most 20 of
    them a second.
    """  # noqa: D205 - one sentence, as clients read it

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


@published.as_type
class ChapterCompletedType(StoryEventType):
    """A chapter is done and stored; nothing of it will change."""

    chapter: int = strawberry.field(description="Its number.")
    words: int = strawberry.field(description="How many words it has.")
    sha256: str = strawberry.field(
        description="SHA-256 over the UTF-8 bytes of its text, in lower-case hexadecimal: compare "
        "it with what you have, and you know that nothing is missing."
    )


@published.as_type
class StoryReadyType(StoryEventType):
    """The story is done and stored.

    Nothing follows.
    """

    chapters: int = strawberry.field(name="chapterCount", description="How many chapters it has.")
    words: int = strawberry.field(description="How many words it has.")
    sha256: str = strawberry.field(
        description="SHA-256 over the UTF-8 bytes of its chapters' texts, joined by one blank line "
        "(`\\n\\n`), in lower-case hexadecimal."
    )


@published.as_type
class StoryFailedType(StoryEventType):
    """The story cannot be written.

    Its finished chapters stay; drop the text of an unfinished one. Nothing follows.
    """

    code: str = strawberry.field(description="Stable name of the reason.")
    message: str = strawberry.field(description="A sentence for people.")
    blocked: bool = strawberry.field(description="Whether its content was the reason.")
    chapters: int = strawberry.field(
        name="chapterCount", description="How many finished chapters stay."
    )


@published.as_type
class StoryCanceledType(StoryEventType):
    """Its owner cancelled the story.

    Its finished chapters stay; drop the text of an unfinished one. Nothing follows.
    """

    chapters: int = strawberry.field(
        name="chapterCount", description="How many finished chapters stay."
    )


@published.as_type
class StorySnapshotType(StoryEventType):
    """The story as it stands: put it in the place of all you have of it."""

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


@published.as_type
class StoryGapType(StoryEventType):
    """Events after `cursor` cannot be told any more.

    A `StorySnapshot` comes next.
    """


@published.as_type
class LibrarySnapshotType(ViewerEventType):
    """All unfinished stories as they stand: put them in the place of all unfinished ones you have.

    One that you have and that is not here has ended: fetch it again.
    """

    stories: list[StorySnapshotType] = strawberry.field(description="The unfinished stories.")


@published.as_type
class LibraryGapType(ViewerEventType):
    """Events after `cursor` cannot be told any more.

    A `LibrarySnapshot` comes next.
    """


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


_shown: WeakKeyDictionary[Recorded | Snapshot, StoryEventType] = WeakKeyDictionary()


def publish(told: Told) -> ViewerEventType:
    """Make the published form of what a follower is told.

    An event has one for all its followers, and so has a snapshot that was taken for many: by that
    they can share what is made of it.
    """
    match told:
        case Recorded() | Snapshot():
            shown = _shown.get(told)
            if shown is None:
                shown = _shown[told] = _publish(told)
            return shown
        case LibrarySnapshot():
            return LibrarySnapshotType(
                cursor=Cursor(str(told.cursor)),
                occurred_at=told.taken_at,
                stories=[StorySnapshotType.tell(snapshot) for snapshot in told.stories],
            )
        case Gap():
            return _gap(told)


def _publish(told: Recorded | Snapshot) -> StoryEventType:
    if isinstance(told, Snapshot):
        return StorySnapshotType.tell(told)
    return PUBLISHED[type(told.event)].publish(told)


def _gap(gap: Gap) -> ViewerEventType:
    cursor = Cursor(str(gap.cursor))
    if gap.story_id is None:
        return LibraryGapType(cursor=cursor, occurred_at=gap.found_at)
    story_id = global_id(STORY, gap.story_id)
    return StoryGapType(cursor=cursor, occurred_at=gap.found_at, story_id=story_id)
