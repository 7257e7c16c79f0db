"""Each security-relevant act is in the audit trail, once, with its device."""

import pytest

from domain.audit import Act, AuditRecord
from domain.refusals import CodeExpired, RefreshReused, WrongCredentials
from tests.fakes.accounts import DEVICE, EMAIL, PASSWORD, AccountDesk

WRONG = "not the password of anybody"


def last(desk: AccountDesk) -> AuditRecord:
    """Return the newest record; it knows the device."""
    record = desk.database.audited[-1]
    assert record.details
    assert (record.details.client_address, record.details.user_agent) == ("203.0.113.7", "Firefox")
    return record


async def sign_up(desk: AccountDesk, email: str = EMAIL) -> None:
    await desk.sign_up(email=email, password=PASSWORD, display_name="Mira", device=DEVICE)


async def test_a_sign_up(desk: AccountDesk) -> None:
    await sign_up(desk)
    [account] = desk.accounts
    assert desk.database.acts == [(Act.SIGNED_UP, account.id)]
    assert last(desk)


async def test_a_sign_up_with_an_address_in_use_is_for_its_owner_to_read(desk: AccountDesk) -> None:
    owner = await desk.account()
    await sign_up(desk)
    assert desk.database.acts == [(Act.SIGNED_UP, owner.id)]


async def test_a_log_in(desk: AccountDesk) -> None:
    logged_in = await desk.logged_in()
    record = last(desk)
    assert (record.entry.act, record.entry.account_id) == (Act.LOGGED_IN, logged_in.account.id)
    assert record.entry.session_id == desk.session.id


async def test_a_failed_log_in(desk: AccountDesk) -> None:
    account = await desk.account()
    with pytest.raises(WrongCredentials):
        await desk.log_in(email=EMAIL, password=WRONG, device=DEVICE)
    assert desk.database.acts == [(Act.LOG_IN_FAILED, account.id)]
    assert last(desk)


async def test_a_failed_log_in_with_an_unknown_address_is_nobodys(desk: AccountDesk) -> None:
    with pytest.raises(WrongCredentials):
        await desk.log_in(email="nobody@readers.example", password=WRONG, device=DEVICE)
    assert desk.database.acts == [(Act.LOG_IN_FAILED, None)]
    assert "nobody" not in repr(last(desk).details)


async def test_a_log_out_once(desk: AccountDesk) -> None:
    tokens = (await desk.logged_in()).tokens
    for _ in range(2):
        await desk.log_out(None, tokens.refresh_token, DEVICE)
    assert [act for act, _ in desk.database.acts] == [Act.LOGGED_IN, Act.LOGGED_OUT]
    assert last(desk).entry.session_id == desk.session.id


async def test_a_refresh_is_none_but_a_token_used_twice_is(desk: AccountDesk) -> None:
    tokens = (await desk.logged_in()).tokens
    newer = await desk.refresh_tokens(tokens.refresh_token)
    await desk.refresh_tokens(newer.refresh_token)
    assert [act for act, _ in desk.database.acts] == [Act.LOGGED_IN]
    with pytest.raises(RefreshReused):
        await desk.refresh_tokens(tokens.refresh_token, DEVICE)
    assert [act for act, _ in desk.database.acts] == [Act.LOGGED_IN, Act.REFRESH_REUSED]
    assert last(desk).entry.session_id == desk.session.id


async def test_a_proven_address(desk: AccountDesk) -> None:
    challenge = await desk.sign_up(email=EMAIL, password=PASSWORD, display_name="Mira")
    code = await desk.codes.issue(challenge)
    account = await desk.verify_otp(challenge.id, code, DEVICE)
    assert desk.database.acts[-1] == (Act.ADDRESS_PROVEN, account.id)
    assert last(desk)


async def test_what_is_refused_is_not_recorded_as_done(desk: AccountDesk) -> None:
    challenge = await desk.sign_up(email=EMAIL, password=PASSWORD, display_name="Mira")
    code = await desk.codes.issue(challenge)
    await desk.account()  # somebody proves the address first
    before = desk.database.acts
    with pytest.raises(CodeExpired):
        await desk.verify_otp(challenge.id, code, DEVICE)
    assert desk.database.acts == before
