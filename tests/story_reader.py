"""A reference client: what one has to do with the events to end with exactly the stored text."""

from dataclasses import dataclass, field

from domain.events import (
    ENDS,
    ChapterCompleted,
    ChapterStarted,
    Cursor,
    Gap,
    Recorded,
    Snapshot,
    StoryCanceled,
    StoryFailed,
    StoryReady,
    StoryRestarted,
    TextAppended,
    Told,
    utf16_length,
)
from domain.stories import text_hash


@dataclass
class StoryReader:
    """Reads one story. Fails at once when something is told twice, left out, or out of order."""

    texts: dict[int, str] = field(default_factory=dict)
    complete: set[int] = field(default_factory=set)
    cursor: Cursor | None = None
    awaits_snapshot: bool = True
    ended: bool = False
    kinds: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole text as far as it is known."""
        return "\n\n".join(self.texts[number] for number in sorted(self.texts))

    def read(self, told: Told) -> None:
        """Take in what was told."""
        self.kinds.append(told.event.kind if isinstance(told, Recorded) else type(told).__name__)
        match told:
            case Snapshot():
                self.texts = {chapter.number: chapter.text for chapter in told.told}
                self.complete = set(self.texts)
                if told.chapter:
                    self.texts[told.chapter] = told.text
                self.awaits_snapshot = False
            case Gap():
                assert not self.awaits_snapshot, "a gap must be followed by a snapshot"
                self.awaits_snapshot = True
                return
            case Recorded():
                assert not self.awaits_snapshot, "a snapshot must come first"
                self._read_event(told)
        self.cursor = told.cursor

    def _read_event(self, told: Recorded) -> None:
        at, event = told.cursor, told.event
        assert self.cursor is not None
        if not (isinstance(event, ENDS) and at == self.cursor):  # an end made from what is stored
            follows = at == Cursor(self.cursor.epoch, self.cursor.sequence + 1)
            begins = at.epoch > self.cursor.epoch and at.sequence == 1
            assert follows or begins, f"{self.cursor} must not be followed by {at}"
        match event:
            case ChapterStarted():
                assert event.chapter not in self.texts
                self.texts[event.chapter] = ""
            case TextAppended():
                assert event.chapter not in self.complete
                assert event.offset == utf16_length(self.texts[event.chapter])
                self.texts[event.chapter] += event.text
            case ChapterCompleted():
                assert event.sha256 == text_hash(self.texts[event.chapter])
                self.complete.add(event.chapter)
            case StoryRestarted():
                self.ended = False
                for number in [n for n in self.texts if n >= event.from_chapter]:
                    del self.texts[number]
                assert self.complete == set(self.texts)
            case StoryReady():
                assert event.sha256 == text_hash(self.text)
                self.ended = True
            case StoryFailed() | StoryCanceled():
                for number in set(self.texts) - self.complete:
                    del self.texts[number]
                assert len(self.texts) == event.chapters
                self.ended = True
