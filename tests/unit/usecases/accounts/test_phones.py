"""Proving a phone number, and forgetting it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import Account
from domain.codes import Challenge
from domain.deliveries import DeliveryKind
from domain.refusals import (
    CodeExpired,
    CodeInvalid,
    InvalidInput,
    RateLimited,
    UpstreamUnavailable,
    WrongCredentials,
)
from domain.sessions import AccessClaims
from tests.fakes.accounts import DEVICE, EMAIL, PASSWORD, AccountDesk
from usecases.accounts.phone_numbers import dialable
from usecases.accounts.request_phone_code import RequestPhoneCode

NUMBER = "+49 1512 3456789"
E164 = "+4915123456789"


@pytest.fixture
async def claims(desk: AccountDesk) -> AccessClaims:
    logged_in = await desk.logged_in()
    return await desk.authenticate(logged_in.tokens.access_token)


async def ask(desk: AccountDesk, claims: AccessClaims, number: str = NUMBER) -> Challenge:
    return await desk.request_phone_code(
        claims, phone_number=number, password=PASSWORD, device=DEVICE
    )


async def prove(
    desk: AccountDesk, claims: AccessClaims, challenge: Challenge, code: str
) -> Account:
    return await desk.prove_phone(claims, challenge.id, code=code, device=DEVICE)


async def test_a_number_is_proven_by_the_code_that_was_sent_to_it(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    challenge = await ask(desk, claims)
    assert desk.owed == [(DeliveryKind.PHONE_CODE, E164)]
    code = await desk.codes.issue(challenge)
    account = await prove(desk, claims, challenge, code)
    assert (account.phone_number, account.phone_verified_at) == (E164, desk.clock.now())
    assert [record.entry.act for record in desk.database.audited][-1] == "phone_proven"
    assert desk.owed[1:] == [(DeliveryKind.PHONE_PROVEN, EMAIL)]
    with pytest.raises(CodeExpired):
        await prove(desk, claims, challenge, code)


async def test_a_wrong_code_and_somebody_elses_challenge_prove_nothing(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    challenge = await ask(desk, claims)
    code = await desk.codes.issue(challenge)
    other = await desk.account(email="noa@readers.example")
    stranger = claims.model_copy(update={"account_id": other.id})
    with pytest.raises(CodeExpired):
        await prove(desk, stranger, challenge, code)
    with pytest.raises(CodeInvalid):
        await prove(desk, claims, challenge, "999999")
    assert all(account.phone_number is None for account in desk.accounts)
    assert (await prove(desk, claims, challenge, code)).phone_number == E164


async def test_a_phone_code_is_not_asked_for_again_without_the_password(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    challenge = await ask(desk, claims)
    desk.clock.advance(timedelta(minutes=2))
    with pytest.raises(CodeExpired):
        await desk.resend_otp(challenge.id)
    assert len(desk.owed) == 1


async def test_no_text_goes_out_without_the_password(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    with pytest.raises(WrongCredentials):
        await desk.request_phone_code(claims, phone_number=NUMBER, password="no", device=DEVICE)
    assert desk.owed == []


async def test_a_number_gets_a_code_a_minute(desk: AccountDesk, claims: AccessClaims) -> None:
    await ask(desk, claims)
    with pytest.raises(RateLimited):
        await ask(desk, claims)


async def test_an_account_gets_ten_texts_a_day(desk: AccountDesk, claims: AccessClaims) -> None:
    for n in range(10):
        await ask(desk, claims, f"+49 1512 345678{n}")
    desk.clock.advance(timedelta(hours=1))
    with pytest.raises(RateLimited) as refused:
        await ask(desk, claims, "+49 1512 3456790")
    assert refused.value.retry_after == 23 * 3600 + 1
    desk.clock.advance(timedelta(hours=23, seconds=1))
    await ask(desk, claims, "+49 1512 3456791")


async def test_where_nothing_sends_texts_none_is_promised(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    asked = RequestPhoneCode(
        desk.reauthenticate,
        desk.database,
        desk.codes,
        desk.request_phone_code.owe,
        is_offered=False,
    )
    with pytest.raises(UpstreamUnavailable):
        await asked(claims, phone_number=NUMBER, password=PASSWORD, device=DEVICE)


async def test_a_number_is_forgotten(desk: AccountDesk, claims: AccessClaims) -> None:
    challenge = await ask(desk, claims)
    await prove(desk, claims, challenge, await desk.codes.issue(challenge))
    with pytest.raises(WrongCredentials):
        await desk.remove_phone(claims, password="no", device=DEVICE)
    for _ in range(2):
        account = await desk.remove_phone(claims, password=PASSWORD, device=DEVICE)
        assert (account.phone_number, account.phone_verified_at) == (None, None)
    acts = [record.entry.act.value for record in desk.database.audited]
    assert acts.count("phone_removed") == 1
    assert desk.owed[2:] == [(DeliveryKind.PHONE_REMOVED, EMAIL)]
    assert account.email == EMAIL


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+49 1512 3456789", E164),
        ("+49 (1512) 345-67.89", E164),
        ("+1 415 555 2671", "+14155552671"),
        ("+44 7911 123456", "+447911123456"),
    ],
)
def test_numbers_are_kept_in_one_form(typed: str, kept: str) -> None:
    assert dialable(typed) == kept
    assert dialable(kept) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "+",
        "110",
        "015123456789",
        "+49 900 1234567",
        "+1 900 555 0123",
        "+49 1512 3456789;ext=5",
        "+49 1512 3456789 x5",
        "+1 800 FLOWERS",
        "+999 123 4567",
        "\uff0b49 1512 3456789",
        "tel:+4915123456789",
        "+4915123456789\n",
    ],
    ids=ascii,
)
def test_others_are_refused_and_never_repeated(typed: str) -> None:
    with pytest.raises(ValueError, match="must be a") as refused:
        dialable(typed)
    assert typed not in str(refused.value) or len(typed) <= 1


async def test_a_bad_number_is_refused_by_its_field(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await ask(desk, claims, "12")
    assert refused.value.path == ("input", "phoneNumber")


@given(st.text(max_size=60) | st.text("+0123456789 .-()/", max_size=40))
def test_whatever_is_typed_gives_a_number_or_a_value_error(typed: str) -> None:
    try:
        kept = dialable(typed)
    except ValueError:
        return
    assert kept.startswith("+")
    assert kept[1:].isdecimal()
    assert len(kept) <= 16
