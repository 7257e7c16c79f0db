"""The soak judges the service: what it would miss, nobody would see."""

import random
from pathlib import Path

import orjson
import pytest

from bench.soak.crowd import CANARY, follows
from bench.soak.faults import plan
from bench.soak.journal import read_journal
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


def _log(folder: Path, *lines: dict[str, str] | str) -> Path:
    log = folder / "worker-1.log"
    known = {"level": "INFO", "message": "Said"}
    log.write_text(
        "".join(
            f"{line if isinstance(line, str) else orjson.dumps(known | line).decode()}\n"
            for line in lines
        )
    )
    return log
