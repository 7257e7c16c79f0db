"""The pen of an attempt: numbers its events, and knows the live text by heart."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from domain.events import (
    ChapterCompleted,
    ChapterStarted,
    Cursor,
    StoryEvent,
    StoryRestarted,
    TextAppended,
)
from usecases.ports.live import LiveText, Topic

Mode = Literal["append", "reset", "keep"]


@dataclass(frozen=True, slots=True)
class Stroke:
    """One event with what it does to the log: the arguments of the script.

    `sequence` 0 leaves the number to the log. `stored` is how many chapters the log must know to
    be complete, None where the event does not tell. `before` and `after` are the live text on both
    sides of the event; where the log's own is not as it was `before`, `after` replaces it.
    """

    epoch: int
    sequence: int
    event: StoryEvent
    stored: int | None
    mode: Mode
    before: LiveText
    after: LiveText

    @property
    def text(self) -> str:
        """What is added to the live text, or replaces it."""
        kept = len(self.before.text) if self.mode == "append" else 0
        return self.after.text[kept:]

    def whole(self) -> "Stroke":
        """Return the same stroke, replacing the live text."""
        return replace(self, mode="reset")


@dataclass(slots=True)
class RedisEventWriter:
    """Implements `EventWriter`."""

    story: Topic
    epoch: int
    chapters: int
    record: Callable[[Topic, Stroke], Awaitable[Cursor | None]]
    _live: LiveText = field(init=False)

    def __post_init__(self) -> None:
        self._live = LiveText(Cursor(self.epoch, 0), self.chapters)

    async def append(self, event: StoryEvent) -> Cursor | None:
        """Record the next event."""
        before, first = self._live, self._live.cursor.sequence == 0
        number = before.cursor.sequence + 1
        self._live = replace(told(before, event), cursor=Cursor(self.epoch, number))
        cursor = await self.record(
            self.story,
            Stroke(
                epoch=self.epoch,
                sequence=number,
                event=event,
                stored=self.chapters if first else None,
                # What an earlier attempt left of an unfinished chapter is void.
                mode="reset" if first or not _grows(event) else "append",
                before=before,
                after=self._live,
            ),
        )
        if cursor is not None:
            self._live = replace(self._live, cursor=cursor)  # the log may have left out a number
        return cursor


def told(live: LiveText, event: StoryEvent) -> LiveText:
    """Return the live text after an event."""
    match event:
        case ChapterStarted():
            return replace(live, chapter=event.chapter, title=event.title, text="")
        case TextAppended():
            return replace(live, text=live.text + event.text)
        case ChapterCompleted():
            return replace(live, chapters=event.chapter, chapter=0, title="", text="")
        case StoryRestarted():
            return replace(live, chapters=event.from_chapter - 1, chapter=0, title="", text="")
        case _:
            return live


def _grows(event: StoryEvent) -> bool:
    return not isinstance(event, ChapterStarted | ChapterCompleted | StoryRestarted)
