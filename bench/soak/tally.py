"""What happened while the soak ran: counted by those who saw it, judged at the end."""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.soak.library import LibraryReader
from schema.nodes import STORY, key_of
from tests.clients.reader import Reader

FAULT = "INTERNAL"
"""The code of a fault in the service: no outage is an excuse for it."""


@dataclass
class Wish:
    """A story that somebody asked for. Times are the soak's own, in seconds."""

    key: str
    way: str
    """How its owner watches it: `socket`, `stream`, `cancel`, `poll` or `leave`."""

    asked_at: float
    story_id: str = ""
    answered_at: float = 0
    first_event_at: float = 0
    canceled: bool = False
    """Whether the service said that it cancelled it."""

    polled_text: str | None = None
    reader: Reader = field(default_factory=Reader)
    library: LibraryReader | None = None
    """What its owner knows of all their stories, if they follow those."""

    @property
    def row(self) -> str:
        """The key of its row."""
        return str(key_of(STORY, self.story_id, path=()))


@dataclass
class Blow:
    """A fault that struck."""

    kind: str
    began: float
    ended: float = 0


@dataclass
class Tally:
    """All that was seen."""

    began: float = field(default_factory=time.monotonic)
    wishes: list[Wish] = field(default_factory=list)
    libraries: list[LibraryReader] = field(default_factory=list)
    blows: list[Blow] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    """What a client saw that must never be."""

    deaths: list[str] = field(default_factory=list)
    """Processes that ended though nobody ended them, or did not end though they were asked to."""

    secrets: set[str] = field(default_factory=set)
    """What was handed out to people, and may be in no log."""

    calm_at: float = 0
    """When the last fault was over."""

    ended_at: float = 0
    """When nothing was left to do after that."""

    progress: list[float] = field(default_factory=list)
    """When some client got a piece of text."""

    def begin(self) -> None:
        """Let the time begin now."""
        self.began = time.monotonic()

    def now(self) -> float:
        """Tell the time since the beginning."""
        return time.monotonic() - self.began

    def count(self, what: str, times: int = 1) -> None:
        """Count something."""
        self.counts[what] += times

    def refused(self, operation: str, codes: Iterable[str | None]) -> None:
        """Count what an operation was answered instead of data."""
        for code in codes:
            self.count(f"refused: {code}")
            if code == FAULT:
                self.broken.append(f"{operation} was answered {FAULT}")

    def longest_stall(self) -> tuple[float, list[str]]:
        """Tell the longest time from a fault to the next text anywhere, and all faults in it."""
        stalls = [
            (self.progress[after] - blow.began, blow.began)
            for blow in self.blows
            if (after := bisect_left(self.progress, blow.began)) < len(self.progress)
        ]
        longest, began = max(stalls, default=(0.0, 0.0))
        during = [
            blow.kind
            for blow in self.blows
            if blow.began <= began + longest and blow.ended >= began
        ]
        return longest, during

    def first_events(self) -> list[float]:
        """Return how long each follower waited from its request to its first event, sorted."""
        return sorted(
            wish.first_event_at - wish.asked_at for wish in self.wishes if wish.first_event_at
        )


def percentile(sorted_values: list[float], share: float) -> float:
    """Return the value below which that share of them is."""
    if not sorted_values:
        return 0
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]
