"""What docs/security.md and docs/nothing-is-lost.md say of tests and files is there."""

import re

import pytest

from tests.documents import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
PAGES = PAGE + (ROOT / "docs" / "nothing-is-lost.md").read_text()
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGES)))
FILES = sorted(set(re.findall(r"`((?:\w+/)+\w+\.\w+)`", PAGES)))
ROWS = [
    line.strip("|").split("|")
    for line in PAGE.partition("## OWASP ASVS 5.0")[2].splitlines()
    if re.match(r"\| \d", line)
]


@pytest.fixture(scope="module")
def defined() -> set[str]:
    """Return the names of all tests."""
    return {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }


def test_every_test_that_is_named_exists(defined: set[str]) -> None:
    assert len(NAMED) > 100
    assert [name for name in NAMED if name not in defined] == []


def test_every_file_that_is_named_exists() -> None:
    assert [file for file in FILES if not (ROOT / file).is_file()] == []


def test_what_is_not_met_says_why() -> None:
    assert all(len(row) == 3 and row[1].strip() for row in ROWS)
    unmet = [where for _, where, _ in ROWS if "not met" in where]
    assert len(unmet) > 10
    assert all(", because " in where or " for " in where for where in unmet)
