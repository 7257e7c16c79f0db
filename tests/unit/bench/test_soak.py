"""The soak judges the service: what it would miss, nobody would see."""

import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from bench.soak.crowd import CANARY
from bench.soak.faults import plan
from bench.soak.journal import read_journal, tasks_at_stop
from bench.soak.order import follows, story_goes_on
from bench.soak.tally import Blow, Tally


def test_a_seed_plans_the_same_faults_again() -> None:
    first, again, other = (plan(random.Random(seed), 600) for seed in (7, 7, 8))  # noqa: S311

    assert first == again != other
    assert len(first) > 100
    assert all(fault.at + fault.lasts <= 600 for fault in first)


@pytest.mark.parametrize("cursor", ["1-5", "1-7", "2-2", "0-1"])
def test_an_event_that_does_not_follow_the_one_before_is_a_breach(cursor: str) -> None:
    with pytest.raises(AssertionError, match="came after"):
        follows("1-5", cursor)


def test_the_next_event_and_the_first_of_another_attempt_follow() -> None:
    follows("1-5", "1-6")
    follows("1-5", "2-1")


@pytest.mark.parametrize("end", ["StoryReady", "StoryFailed", "StoryCanceled"])
@pytest.mark.parametrize(
    ("last", "cursor"), [("TextAppended", "1-7"), ("TextAppended", "1-5"), ("StorySnapshot", "1-7")]
)
def test_a_hole_before_an_end_is_a_breach(end: str, last: str, cursor: str) -> None:
    with pytest.raises(AssertionError, match=f"{cursor} came after 1-5"):
        story_goes_on("1-5", last, {"__typename": end, "cursor": cursor})


@pytest.mark.parametrize(
    ("last", "kind", "cursor"),
    [
        ("StorySnapshot", "StoryReady", "1-5"),
        ("StorySnapshot", "StoryReady", "1-6"),
        ("TextAppended", "StoryGap", "1-5"),
        ("TextAppended", "StorySnapshot", "1-9"),
    ],
)
def test_snapshots_stand_for_what_came_before_and_an_end_may_be_shown_with_one(
    last: str, kind: str, cursor: str
) -> None:
    story_goes_on("1-5", last, {"__typename": kind, "cursor": cursor})
    story_goes_on(None, None, {"__typename": kind, "cursor": cursor})


def test_an_internal_error_is_a_breach_and_an_outage_is_none() -> None:
    tally = Tally()

    tally.refused("logIn", ["UPSTREAM_UNAVAILABLE", "INTERNAL"])

    assert tally.broken == ["logIn was answered INTERNAL"]
    assert tally.counts == {"refused: UPSTREAM_UNAVAILABLE": 1, "refused: INTERNAL": 1}


def test_the_tasks_of_a_process_are_those_that_it_says_when_it_stops_for_good(
    tmp_path: Path,
) -> None:
    stop = {"message": "Process stops", "part": "api"}
    log = _log(tmp_path, stop | {"tasks": 9}, "Traceback", {"level": "INFO"})
    before = log.stat().st_size
    assert tasks_at_stop(log, before) is None

    with log.open("ab") as lines:
        lines.write(b"not JSON\n" + orjson.dumps(stop | {"tasks": 3}) + b"\n")

    assert tasks_at_stop(log, before) == 3


def test_a_secret_in_a_log_is_found_and_not_repeated(tmp_path: Path) -> None:
    log = _log(tmp_path, {"code": "004711"}, {"note": f"a {CANARY.upper()}"}, {"ms": "0047112"})

    journal = read_journal([log], {"004711"})

    assert journal.leaks == ["worker-1.log:1", "worker-1.log:2"]
    assert journal.lines == 3


def test_errors_that_nobody_expected_are_told_apart(tmp_path: Path) -> None:
    trace = 'Traceback\n  File "/srv/db/reads.py", line 7, in f\nValueError: {}'
    log = _log(
        tmp_path,
        {"level": "ERROR", "message": "Unexpected error", "exception": trace.format("a wish")},
        {"level": "ERROR", "message": "Job failed unexpectedly", "error": "KeyError at a:1"},
        {"level": "ERROR", "message": "Job buried", "error": "out of tries"},
        {
            "level": "ERROR",
            "message": "Exception in ASGI application\n",
            "exception": trace.format("timeout graceful shutdown exceeded"),
        },
        "Traceback (most recent call last):",
        '{"level":"INFO","mess',
    )

    journal = read_journal([log], set())

    assert +journal.traces == {
        "ERROR Unexpected error: ValueError at db/reads.py:7": 1,
        "Job failed unexpectedly: KeyError at a:1": 1,
        "outside of the log": 1,
    }
    assert journal.errors == 4


def test_the_longest_stall_names_every_fault_in_it() -> None:
    tally = Tally(progress=[1, 2, 9, 10])
    tally.blows = [Blow("early", 0.5, 1), Blow("first", 2.5, 4), Blow("second", 5, 6)]

    assert tally.longest_stall() == (6.5, ["first", "second"])


def _log(folder: Path, *lines: dict[str, Any] | str) -> Path:
    log = folder / "worker-1.log"
    known = {"level": "INFO", "message": "Said"}
    log.write_text(
        "".join(
            f"{line if isinstance(line, str) else orjson.dumps(known | line).decode()}\n"
            for line in lines
        )
    )
    return log
