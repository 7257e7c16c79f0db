"""What the service wrote into its logs: unexpected errors, and words that must not be there."""

import re
from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench.soak import crowd, model

SECRET_WORD = re.compile(r"[\w.-]+")
CANARIES = (crowd.CANARY, model.CANARY)
RAW_TRACE = "Traceback (most recent call last)"
UNEXPECTED = "Job failed unexpectedly"
STOPS = "Process stops"
CUT_SHORT = "timeout graceful shutdown exceeded"
"""How uvicorn says, with a trace, that a request had no more time when its process had to stop."""


@dataclass
class Journal:
    """A summary of all logs."""

    lines: int = 0
    errors: int = 0
    traces: Counter[str] = field(default_factory=Counter)
    """Tracebacks by what they end with and where."""

    leaks: list[str] = field(default_factory=list)
    """Where a secret was found; the secret itself is not repeated."""


def read_journal(logs: Iterable[Path], secrets: AbstractSet[str]) -> Journal:
    """Read all lines. Whole words are compared with what was handed out, canaries with any part."""
    journal = Journal()
    for log in logs:
        for number, line in enumerate(log.read_text(errors="replace").splitlines(), 1):
            journal.lines += 1
            if any(canary in line.lower() for canary in CANARIES) or not secrets.isdisjoint(
                SECRET_WORD.findall(line)
            ):
                journal.leaks.append(f"{log.name}:{number}")
            _judge(journal, line)
    return journal


def tasks_at_stop(log: Path, since: int) -> int | None:
    """Return how many tasks a process said that it had when it stopped, after so many bytes."""
    with log.open("rb") as lines:
        lines.seek(since)
        for line in lines:
            try:
                record: dict[str, Any] = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if record["message"] == STOPS:
                return int(record["tasks"])
    return None


def _judge(journal: Journal, line: str) -> None:
    try:
        record: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:  # a line of Python itself, or one that was cut by a kill
        journal.traces["outside of the log"] += RAW_TRACE in line
        return
    journal.errors += record.get("level") in {"ERROR", "CRITICAL"}
    trace, said = record.get("exception") or "", _first_words(record["message"])
    if record["message"] == UNEXPECTED:
        journal.traces[f"{said}: {record.get('error')}"] += 1
    if not trace or trace.endswith(CUT_SHORT):
        return
    places = re.findall(r'File ".*?/?((?:[\w-]+/)?[\w-]+\.py)", line (\d+)', trace)
    where = ":".join(places[-1]) if places else "?"
    # Not its whole message, which may quote a value.
    kind = trace.splitlines()[-1].partition(":")[0][:80]
    journal.traces[f"{record['level']} {said}: {kind} at {where}"] += 1


def _first_words(message: str) -> str:
    return message.partition("\n")[0].partition("<")[0].strip()
