"""Accounts: their rules."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from domain.accounts import AccountStatus
from tests.factories import an_account
from tests.fakes.clock import START


def test_an_account_is_pending_until_its_address_is_proven() -> None:
    account = an_account()
    assert (account.status, account.is_active) == (AccountStatus.PENDING, False)
    account.activate(START + timedelta(minutes=1))
    assert (account.status, account.is_active) == (AccountStatus.ACTIVE, True)
    assert account.verified_at == START + timedelta(minutes=1)


def test_names_and_interests_are_kept_in_one_normal_form() -> None:
    account = an_account(display_name=" Mi\u0301ra \t B. ", interests=["the\nsea", "  fo\u0308hn"])
    assert account.display_name == "M\u00edra B."
    assert account.interests == ["the sea", "f\u00f6hn"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"display_name": ""},
        {"display_name": "\u2003 "},
        {"display_name": "x" * 61},
        {"display_name": "Mi\u202era"},
        {"display_name": "Mi\x07ra"},
        {"display_name": "\ud800"},
        {"interests": ["a", "b", "c", "d", "e", "f"]},
        {"interests": ["x" * 21]},
        {"interests": [" "]},
        {"interests": ["Foxes", "FOXES "]},
    ],
    ids=ascii,
)
def test_what_breaks_a_rule_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        an_account(**wrong)


def test_the_password_hash_is_not_shown() -> None:
    assert "argon2id" not in repr(an_account())
