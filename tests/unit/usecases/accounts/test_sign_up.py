"""Claiming an address."""

from datetime import timedelta
from typing import Any

import pytest

from domain.accounts import AccountStatus
from domain.codes import Challenge
from domain.deliveries import DeliveryKind
from domain.refusals import InputIssue, InvalidInput, RateLimited
from tests.fakes.accounts import EMAIL, PASSWORD, AccountDesk


async def sign_up(desk: AccountDesk, **differently: Any) -> Challenge:  # noqa: ANN401
    return await desk.sign_up(
        **{"email": EMAIL, "password": PASSWORD, "display_name": "Mira", **differently}
    )


async def issues(desk: AccountDesk, **differently: Any) -> list[InputIssue]:  # noqa: ANN401
    """Return what is wrong with the input, and see that nothing has come of it."""
    with pytest.raises(InvalidInput) as refused:
        await sign_up(desk, **differently)
    assert (desk.accounts, desk.deliveries) == ([], [])
    return list(refused.value.issues)


async def test_a_pending_account_is_made_and_a_code_is_owed(desk: AccountDesk) -> None:
    challenge = await sign_up(desk, interests=["foxes", " the  sea "])
    [account] = desk.accounts
    assert (account.email, account.display_name) == (EMAIL, "Mira")
    assert account.interests == ["foxes", "the sea"]
    assert (account.status, account.verified_at) == (AccountStatus.PENDING, None)
    assert account.password_hash == await desk.passwords.hash(PASSWORD)
    assert (challenge.account_id, challenge.email) == (account.id, EMAIL)
    [mail] = desk.deliveries
    assert (mail.kind, mail.recipient) == (DeliveryKind.SIGN_UP_CODE, EMAIL)
    assert (mail.subject_id, mail.expires_at) == (challenge.id, challenge.expires_at)
    assert desk.codes.drawn == []


async def test_an_address_in_use_is_answered_alike_and_its_owner_is_told(desk: AccountDesk) -> None:
    owner = await desk.account()
    challenge = await sign_up(desk, email="MIRA@Readers.Example")
    stranger = await sign_up(desk, email="nobody@readers.example")
    assert challenge.account_id is None
    assert (
        challenge.model_copy(
            update={"id": stranger.id, "email": stranger.email, "account_id": stranger.account_id}
        )
        == stranger
    )
    assert {account.id for account in desk.accounts} == {owner.id, stranger.account_id}
    assert desk.owed[0] == (DeliveryKind.ADDRESS_IN_USE, owner.email)


async def test_several_may_claim_an_address_each_with_their_own_password(desk: AccountDesk) -> None:
    first = await sign_up(desk, password="a stranger planted this one")
    desk.clock.advance(timedelta(minutes=1))
    second = await sign_up(desk)
    assert first.id != second.id
    assert {account.id for account in desk.accounts} == {first.account_id, second.account_id}
    assert len({account.password_hash for account in desk.accounts}) == 2


@pytest.mark.parametrize("is_known", [False, True])
async def test_an_address_gets_one_code_a_minute_known_or_not(
    desk: AccountDesk, *, is_known: bool
) -> None:
    if is_known:
        await desk.account()
    await sign_up(desk)
    before = len(desk.accounts)
    with pytest.raises(RateLimited) as refused:
        await sign_up(desk)
    assert refused.value.retry_after == 60
    assert len(desk.accounts) == before
    assert len(desk.deliveries) == 1


async def test_everything_that_is_wrong_is_told_at_once(desk: AccountDesk) -> None:
    found = await issues(
        desk,
        email="mira",
        password="short",
        display_name="  ",
        interests=["fox", "", "x" * 21, "a\u202eb"],
    )
    assert [(issue.path, issue.code, issue.message) for issue in found] == [
        (
            ("input", "email"),
            "value_error",
            "Must be an e-mail address, like name@example.org.",
        ),
        (("input", "displayName"), "value_error", "Must not be blank."),
        (
            ("input", "interests", 1),
            "string_too_short",
            "Must not be empty.",
        ),
        (
            ("input", "interests", 2),
            "string_too_long",
            "Must have at most 20 characters.",
        ),
        (
            ("input", "interests", 3),
            "value_error",
            "Must not contain the character U+202E.",
        ),
        (("input", "password"), "password_too_short", "Must have at least 12 characters."),
    ]


@pytest.mark.parametrize(
    ("interests", "code"),
    [(["a", "b", "c", "d", "e", "f"], "too_long"), (["Foxes", "foxes"], "value_error")],
)
async def test_interests_are_few_and_different(
    desk: AccountDesk, interests: list[str], code: str
) -> None:
    [issue] = await issues(desk, interests=interests)
    assert (issue.path, issue.code) == (("input", "interests"), code)


async def test_a_password_like_the_name_is_refused(desk: AccountDesk) -> None:
    [issue] = await issues(desk, display_name="Ada Lovelace", password="Lovelace-Ada-Lovelace")
    assert (issue.path, issue.code) == (("input", "password"), "password_like_account")
