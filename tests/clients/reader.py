"""A reader who follows a story: folds its events into the text, as the schema describes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

ENDS = frozenset({"StoryReady", "StoryFailed", "StoryCanceled"})
RETRIED = frozenset({"StoryQueued", "StoryRestarted", "StorySnapshot", "StoryGap"})
"""What may come after a failure."""


@dataclass
class Reader:
    """What a client of `storyEvents` knows. It believes nothing that it cannot check.

    Raises AssertionError as soon as an event does not fit what came before.
    """

    cursor: str | None = None
    chapters: dict[int, str] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    end: str | None = None
    _after_gap: bool = False

    @property
    def text(self) -> str:
        """The story as far as it was told."""
        return "\n\n".join(self.chapters[number] for number in sorted(self.chapters))

    def read(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        kind = event["__typename"]
        if self.end == "StoryFailed" and kind in RETRIED:
            self.end = None  # an operator had it written after all
        assert self.end is None, f"{kind} came after {self.end}"
        assert not self._after_gap or kind == "StorySnapshot", f"{kind} came after a gap"
        self._after_gap = kind == "StoryGap"
        assert event["cursor"] != self.cursor or kind in {"StorySnapshot", "StoryGap"} | ENDS
        self.cursor = event["cursor"]
        self.kinds.append(kind)
        match kind:
            case "StorySnapshot":
                self.chapters = {c["number"]: c["text"] for c in event["chapters"]}
                if unfinished := event["unfinished"]:
                    self.chapters[unfinished["number"]] = unfinished["text"]
            case "StoryRestarted":
                kept = range(1, event["fromChapter"])
                self.chapters = {n: text for n, text in self.chapters.items() if n in kept}
            case "ChapterStarted":
                assert event["chapter"] not in self.chapters, "a chapter began twice"
                self.chapters[event["chapter"]] = ""
            case "TextAppended":
                text = self.chapters[event["chapter"]]
                assert event["offset"] == len(text.encode("utf-16-le")) // 2, "a splice"
                self.chapters[event["chapter"]] = text + event["text"]
            case "ChapterCompleted":
                assert _hash(self.chapters[event["chapter"]]) == event["sha256"]
            case "StoryReady":
                assert _hash(self.text) == event["sha256"]
        if kind in ENDS:
            self.end = kind


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
