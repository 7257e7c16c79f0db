"""PostgreSQL's time, for those who must not rely on the clock of their machine."""

from datetime import datetime, timedelta
from time import monotonic

from usecases.ports.time_and_chance import Clock


class SqlClock:
    """Implements `Clock`: tells PostgreSQL's time, once an answer has said what time it is there.

    In between it counts on by the machine's monotonic clock, which nobody sets. It is wrong by less
    than an answer takes, which is milliseconds, and one that was long on its way spoils nothing.
    Before the first it tells the time of the machine.
    """

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._start: datetime | None = None
        """PostgreSQL's time when the monotonic clock began."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        if self._start is None:
            return self._machine.now()
        return self._start + timedelta(seconds=monotonic())

    def set(self, said: datetime, asked: float) -> None:
        """Go by an answer that came now to what was asked at that moment of `monotonic`."""
        earliest = said - timedelta(seconds=monotonic())
        latest = said - timedelta(seconds=asked)
        if self._start is None or not earliest <= self._start <= latest:
            self._start = earliest + (latest - earliest) / 2
