"""Proving an address."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.accounts import AccountStatus
from domain.codes import Challenge
from domain.refusals import CodeExpired, CodeInvalid, InvalidInput
from tests.fakes.accounts import EMAIL, PASSWORD, AccountDesk


async def challenged(desk: AccountDesk, password: str = PASSWORD) -> tuple[Challenge, UUID, str]:
    """Sign up, and return the challenge, the account and the code in the mail."""
    challenge = await desk.sign_up(email=EMAIL, password=password, display_name="Mira")
    code = await desk.codes.issue(challenge)
    assert challenge.account_id is not None
    return challenge, challenge.account_id, code


async def test_the_right_code_activates_the_account(desk: AccountDesk) -> None:
    challenge, account_id, code = await challenged(desk)
    desk.clock.advance(timedelta(minutes=2))
    account = await desk.verify_otp(challenge.id, code)
    assert (account.id, account.status) == (account_id, AccountStatus.ACTIVE)
    assert account.verified_at == desk.clock.now()
    assert desk.accounts == [account]


async def test_spaces_in_the_code_do_no_harm(desk: AccountDesk) -> None:
    challenge, _, code = await challenged(desk)
    assert (await desk.verify_otp(challenge.id, f" {code[:3]} {code[3:]}\n")).is_active


@pytest.mark.parametrize("code", ["", "  ", "abc123", "12345\u0666", "\ud800", "-12345"])
async def test_what_is_no_code_is_not_counted_as_a_try(desk: AccountDesk, code: str) -> None:
    challenge, _, right = await challenged(desk)
    with pytest.raises(InvalidInput) as refused:
        await desk.verify_otp(challenge.id, code)
    assert refused.value.path == ("input", "code")
    assert refused.value.issues[0].message == "Must be the digits that were sent."
    with pytest.raises(CodeInvalid) as wrong:
        await desk.verify_otp(challenge.id, f"{int(right) + 1:06d}")
    assert wrong.value.attempts_left == 4


async def test_a_wrong_code_changes_nothing(desk: AccountDesk) -> None:
    challenge, _, _ = await challenged(desk)
    with pytest.raises(CodeInvalid):
        await desk.verify_otp(challenge.id, "999999")
    [account] = desk.accounts
    assert account.status is AccountStatus.PENDING


async def test_other_claims_of_the_address_are_removed_with_their_passwords(
    desk: AccountDesk,
) -> None:
    await challenged(desk, "a stranger planted this one")
    desk.clock.advance(timedelta(minutes=1))
    challenge, mine, code = await challenged(desk)
    await desk.verify_otp(challenge.id, code)
    [account] = desk.accounts
    assert (account.id, account.password_hash) == (mine, await desk.passwords.hash(PASSWORD))


async def test_once_an_address_is_proven_other_codes_for_it_have_expired(desk: AccountDesk) -> None:
    first, _, first_code = await challenged(desk)
    desk.clock.advance(timedelta(minutes=1))
    second, mine, second_code = await challenged(desk)
    await desk.verify_otp(second.id, second_code)
    with pytest.raises(CodeExpired):
        await desk.verify_otp(first.id, first_code)
    assert [account.id for account in desk.accounts] == [mine]


async def test_a_pending_account_gains_nothing_by_a_code_when_another_is_active(
    desk: AccountDesk,
) -> None:
    challenge, mine, code = await challenged(desk)
    owner = await desk.account()
    with pytest.raises(CodeExpired):
        await desk.verify_otp(challenge.id, code)
    assert {(account.id, account.is_active) for account in desk.accounts} == {
        (owner.id, True),
        (mine, False),
    }


async def test_an_unknown_challenge_has_expired(desk: AccountDesk) -> None:
    with pytest.raises(CodeExpired):
        await desk.verify_otp(uuid4(), "123456")
