"""Which addresses are accepted, and when two are the same."""

import pytest
from pydantic import TypeAdapter, ValidationError

from domain.refusals import InvalidInput
from usecases.accounts.addresses import Address, comparable
from usecases.accounts.log_in import Credentials
from usecases.validation import checked

ADDRESSES: TypeAdapter[str] = TypeAdapter(Address)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("mira@readers.example", "mira@readers.example"),
        ("Mira.B+tales@Readers.EXAMPLE", "mira.b+tales@readers.example"),
        ("u\u0308na@readers.example", "\u00fcna@readers.example"),
        ("mira@B\u00fccher.example", "mira@xn--bcher-kva.example"),
        ("mira@xn--bcher-kva.example", "mira@xn--bcher-kva.example"),
        ("mira@bu\u0308cher.example", "mira@xn--bcher-kva.example"),
    ],
)
def test_addresses_that_reach_the_same_mailbox_are_the_same(typed: str, stored: str) -> None:
    assert comparable(typed) == stored
    assert comparable(stored) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "mira",
        "mira@",
        "@readers.example",
        "mira@localhost",
        "mira@[127.0.0.1]",
        "Mira <mira@readers.example>",
        '"mira b"@readers.example',
        "mira@readers.example\r\nBcc: all@readers.example",
        "mira\u0000@readers.example",
        "mira@readers.example ",
        "mi\u202era@readers.example",
        "\ud800@readers.example",
        f"{'m' * 65}@readers.example",
        f"m@{'r' * 250}.example",
    ],
    ids=ascii,
)
def test_others_are_refused_and_never_repeated(typed: str) -> None:
    with pytest.raises(ValueError, match="must be an e-mail address") as refused:
        comparable(typed)
    assert str(refused.value) == "must be an e-mail address, like name@example.org"


@pytest.mark.parametrize(
    "typed",
    ["mira@ex\u0430mple.com", "mira@xn--exmple-4nf.com", "mira@\u0430\u0440\u0440\u04cf\u0435.com"],
    ids=ascii,
)
def test_a_domain_that_looks_like_another_is_refused_by_its_field(typed: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked(Credentials, {"email": typed})
    [issue] = refused.value.issues
    assert (issue.path, issue.code) == (("input", "email"), "domain_look_alike")
    assert issue.message.startswith("Must not have a domain that mixes alphabets")


def test_an_address_is_not_even_looked_at_when_it_is_too_long() -> None:
    with pytest.raises(ValidationError) as refused:
        ADDRESSES.validate_python(f"mira@{'readers.' * 40}example")
    [error] = refused.value.errors()
    assert error["type"] == "string_too_long"
