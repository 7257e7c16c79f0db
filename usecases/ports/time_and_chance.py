"""Time and chance."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time, in UTC."""

    def now(self) -> datetime: ...


class Randomness(Protocol):
    """Chance that nobody can guess."""

    def seed(self) -> int:
        """Return a story's seed, 0 <= seed < 2**63."""
        ...
