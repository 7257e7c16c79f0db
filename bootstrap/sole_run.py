"""One supervisor at a time in a data folder, and none beside what another left running."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TextIO

LEFTOVERS_SECONDS = 20.0
"""The children of a killed supervisor end within this time."""

POLL_SECONDS = 0.1


class AlreadyRunning(Exception):  # noqa: N818 - reads as what it is
    """Somebody else has the data folder; the message says who."""


@dataclass(frozen=True, slots=True)
class SoleRun:
    """The data folder is ours. Children inherit `descriptor`, and hold the folder while they live.

    So a lock says what process ids cannot: whether any server still uses the data.
    """

    descriptor: int
    _record: TextIO

    def publish(self, url: str) -> None:
        """Leave word of where everything is, for whoever starts it a second time."""
        self._record.seek(0)
        self._record.truncate()
        json.dump({"pid": os.getpid(), "url": url}, self._record)
        self._record.flush()


@contextmanager
def sole_run(home: Path) -> Iterator[SoleRun]:
    """Hold the data folder. Raises AlreadyRunning."""
    home.mkdir(parents=True, exist_ok=True)
    with (
        (home / "supervisor.lock").open("a+") as record,
        (home / "children.lock").open("a") as data,
    ):
        if not _lock(record):
            raise AlreadyRunning(_who_runs(record))
        SoleRun(data.fileno(), record).publish("")
        deadline = monotonic() + LEFTOVERS_SECONDS
        while not _lock(data):
            if monotonic() > deadline:
                raise AlreadyRunning(
                    f"processes of an earlier run still use {home}: end them, then start again"
                )
            sleep(POLL_SECONDS)
        yield SoleRun(data.fileno(), record)


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _who_runs(record: TextIO) -> str:
    record.seek(0)
    try:
        known = json.load(record)
    except ValueError:
        return "it runs already, started a moment ago"
    place = f" at {known['url']}" if known["url"] else ""
    return f"it runs already{place}, as process {known['pid']}: use that one, or stop it first"
