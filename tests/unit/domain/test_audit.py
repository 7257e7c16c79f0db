"""The chain of the audit trail, by itself."""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit import (
    GENESIS,
    Act,
    Anchor,
    AuditDetails,
    AuditEntry,
    AuditRecord,
    Inspection,
    canonical,
)
from tests.fakes.clock import START

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def trail(length: int) -> list[AuditRecord]:
    """Return a whole trail."""
    records: list[AuditRecord] = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        details = AuditDetails(salt=uuid4().bytes, client_address="203.0.113.7", detail={"a": "b"})
        entry = AuditEntry(
            id=details.id,
            sequence=sequence,
            act=Act.LOGGED_IN,
            account_id=uuid4(),
            session_id=uuid4(),
            occurred_at=START + timedelta(seconds=sequence),
            details_digest=details.seal(),
            previous=previous,
            digest=GENESIS,
        )
        entry.digest = previous = entry.expected_digest()
        records.append(AuditRecord(entry=entry, details=details))
    return records


def fault(records: list[AuditRecord], anchor: Anchor | None = None) -> tuple[int | None, str]:
    """Return where the trail is broken, and how."""
    inspection = Inspection(anchor)
    whole = all(inspection.passes(record) for record in records)
    verdict = inspection.verdict(is_end=whole)
    return verdict.broken_at, verdict.fault


def test_an_entry_is_chained_by_the_sha256_of_its_json_and_of_the_digest_before() -> None:
    [record] = trail(1)
    entry = record.entry
    told = (
        f'{{"account_id":"{entry.account_id}","act":"logged_in",'
        f'"details":"{entry.details_digest.hex()}","id":"{entry.id}",'
        f'"occurred_at":"2026-03-14T15:09:27.000000Z","sequence":1,'
        f'"session_id":"{entry.session_id}"}}'
    )
    assert entry.digest == sha256(bytes(32) + told.encode()).digest()


@given(st.dictionaries(TEXT, TEXT | st.none() | st.integers(-(2**53), 2**53), max_size=5))
def test_the_canonical_form_does_not_depend_on_the_order(told: dict[str, Any]) -> None:
    written = canonical(told)
    assert written == canonical(dict(reversed(told.items())))
    assert json.loads(written) == told


def test_a_whole_trail_passes() -> None:
    records = trail(5)
    assert fault(records) == (None, "")
    assert fault([]) == (None, "")


CHANGES: dict[str, Any] = {
    "act": Act.LOGGED_OUT,
    "account_id": None,
    "session_id": uuid4(),
    "occurred_at": START,
    "details_digest": bytes(32),
    "digest": bytes(32),
    "id": uuid4(),
    "sequence": 77,
    "previous": bytes(32),
}


@pytest.mark.parametrize("name", sorted(AuditEntry.model_fields))
def test_a_changed_entry_breaks_the_chain_there(name: str) -> None:
    records = trail(5)
    setattr(records[2].entry, name, CHANGES[name])
    assert fault(records)[0] == 3


@pytest.mark.parametrize("name", ["salt", "client_address", "user_agent", "detail"])
def test_changed_details_break_it_too(name: str) -> None:
    records = trail(5)
    changed: dict[str, Any] = {"salt": b"x", "detail": {"a": "c"}}
    details = records[2].details
    assert details
    setattr(details, name, changed.get(name, "198.51.100.1"))
    assert fault(records) == (3, "its details were changed")


def test_a_changed_entry_with_a_digest_to_match_breaks_it_at_the_next() -> None:
    records = trail(5)
    records[2].entry.act = Act.LOGGED_OUT
    records[2].entry.digest = records[2].entry.expected_digest()
    assert fault(records) == (4, "it does not follow the entry before")


@pytest.mark.parametrize("doomed", [0, 2, 3])
def test_a_removed_entry_breaks_it(doomed: int) -> None:
    records = trail(5)
    del records[doomed]
    assert fault(records) == (doomed + 1, "an entry is missing")


def test_an_inserted_entry_breaks_it() -> None:
    records = trail(5)
    assert fault([*records[:3], trail(3)[2], *records[3:]]) == (4, "an entry is missing")


def test_erased_details_leave_it_whole_and_are_counted() -> None:
    records = trail(5)
    records[1] = AuditRecord(entry=records[1].entry, details=None)
    inspection = Inspection()
    assert all(inspection.passes(record) for record in records)
    assert inspection.verdict(is_end=True).erased == 1


def test_newest_entries_that_are_missing_are_told_by_an_anchor_alone() -> None:
    records = trail(5)
    noted = Anchor(sequence=5, digest=records[4].entry.digest)
    assert fault(records[:3]) == (None, "")
    assert fault(records[:3], noted) == (4, "entries that were there before are missing")
    assert fault(records, noted) == (None, "")


def test_a_trail_made_anew_is_told_by_an_anchor_alone() -> None:
    noted = Anchor(sequence=3, digest=trail(3)[2].entry.digest)
    assert fault(trail(5)) == (None, "")
    assert fault(trail(5), noted)[0] == 3
