"""What somebody knows who follows all of their stories: believed only as far as it fits."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bench.soak.order import follows
from tests.clients.reader import ENDS

LEEWAY = timedelta(seconds=2)
"""By how much the clock of who tells an event may be ahead of the one that dates a snapshot."""


@dataclass
class LibraryReader:
    """What a client of `viewerEvents` knows.

    Raises AssertionError as soon as an event does not fit what came before. After a snapshot the
    numbers of what it showed already are left out. All of that is older than the snapshot, except
    what a worker is still about to tell of a story whose end was shown.
    """

    cursor: str | None = None
    kind: str | None = None
    ends: Counter[str] = field(default_factory=Counter)
    """How often the end of each story was told."""

    unfinished: set[str] = field(default_factory=set)
    """Stories whose end is still to come."""

    shown_at: float | None = None
    """When the newest snapshot of the library came, by the clock of who calls `read`."""

    _snapshot: str | None = None
    """The cursor of the newest snapshot, which ends that are told with it share."""

    _skips_until: datetime | None = None
    _skips_on: bool = False
    _told_at: datetime | None = None

    def read(self, event: Mapping[str, Any], now: float) -> None:
        """Take in one event that came at that time."""
        kind, cursor = event["__typename"], event["cursor"]
        before, last = self.cursor, self.kind
        told_at = datetime.fromisoformat(event["occurredAt"])
        assert last != "LibraryGap" or kind == "LibrarySnapshot", f"{kind} came after a gap"
        self.cursor, self.kind = cursor, kind
        match kind:
            case "LibraryGap":
                return
            case "LibrarySnapshot":
                assert before is None or last == "LibraryGap", "a snapshot came for no reason"
                self._show({story["storyId"] for story in event["stories"]}, now)
                self._snapshot, self._skips_on = cursor, False
                self._skips_until = told_at + LEEWAY if event["stories"] else None
            case _:
                assert before is not None, f"{kind} came before the first snapshot"
                self._hear(kind, event["storyId"], before, cursor)
                if kind == "StorySnapshot":
                    self._snapshot, self._skips_until = cursor, told_at + LEEWAY
        self._told_at = told_at

    def come_back(self) -> str | None:
        """Return the cursor to go on from; None where it broke between a gap and its snapshot."""
        if self.kind == "LibraryGap":
            self.cursor = self.kind = None
        return self.cursor

    def knows_the_end(self, story_id: str, since: float) -> bool:
        """Whether one who has a story since then was told its end, or shown that it was over."""
        return bool(self.ends[story_id]) or (
            story_id not in self.unfinished and self.shown_at is not None and self.shown_at > since
        )

    def _show(self, story_ids: set[str], now: float) -> None:
        again = [story_id for story_id in story_ids if self.ends[story_id]]
        assert not again, f"unfinished once more: {again}"
        self.unfinished, self.shown_at = story_ids, now

    def _hear(self, kind: str, story_id: str, before: str, cursor: str) -> None:
        shown = cursor == before == self._snapshot
        if not (shown or self._may_skip(before, cursor)):
            follows(before, cursor)
        self.unfinished.add(story_id)
        if kind in ENDS:
            self.ends[story_id] += 1
            self.unfinished.discard(story_id)
            self._skips_on = self._skips_on or shown
        else:
            assert not self.ends[story_id], f"{kind} came after the end of its story"

    def _may_skip(self, before: str, cursor: str) -> bool:
        """Whether numbers may be missing: those of events that a snapshot showed."""
        if self._skips_until is None or self._told_at is None:
            return False
        ahead = tuple(map(int, cursor.split("-"))) > tuple(map(int, before.split("-")))
        return ahead and (self._skips_on or self._told_at <= self._skips_until)
