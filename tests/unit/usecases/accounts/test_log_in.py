"""Beginning a session."""

from datetime import timedelta

import pytest

from domain.codes import CodePurpose
from domain.deliveries import DeliveryKind
from domain.refusals import EmailUnverified, InvalidInput, RateLimited, WrongCredentials
from domain.sessions import Device
from tests.fakes.accounts import DEVICE, EMAIL, PASSWORD, AccountDesk


async def test_the_right_password_begins_a_session(desk: AccountDesk) -> None:
    account = await desk.account()
    answer = await desk.log_in(email="Mira@READERS.example", password=PASSWORD, device=DEVICE)
    assert answer.account == account
    now, session = desk.clock.now(), desk.session
    assert (session.account_id, session.client_address) == (account.id, "203.0.113.7")
    assert (session.user_agent, session.created_at) == ("Firefox", now)
    assert session.expires_at == now + timedelta(days=90)
    tokens = answer.tokens
    assert tokens.access_expires_at == now + timedelta(minutes=15)
    assert tokens.refresh_expires_at == now + timedelta(days=30)
    claims = await desk.authenticate(tokens.access_token)
    assert (claims.account_id, claims.session_id) == (account.id, session.id)
    assert claims.expires_at == tokens.access_expires_at


async def test_the_refresh_token_itself_is_not_stored(desk: AccountDesk) -> None:
    answer = await desk.logged_in()
    [link] = desk.database.tables.tokens.values()
    assert link.digest == desk.refresh.digest(answer.tokens.refresh_token)
    assert link.sealed_successor is None


async def test_a_wrong_password_and_an_unknown_address_are_refused_alike(desk: AccountDesk) -> None:
    account = await desk.account()
    for email in (EMAIL, "nobody@readers.example"):
        with pytest.raises(WrongCredentials) as refused:
            await desk.log_in(email=email, password="something else entirely", device=DEVICE)
        assert (refused.value.message, refused.value.path) == (
            "The address or the password is not right.",
            (),
        )
    assert desk.passwords.verified == [account.password_hash, None]
    assert desk.database.tables.sessions == {}


async def test_what_is_no_address_is_refused_by_its_field(desk: AccountDesk) -> None:
    with pytest.raises(InvalidInput) as refused:
        await desk.log_in(email="mira", password=PASSWORD, device=DEVICE)
    assert refused.value.path == ("input", "email")


async def test_with_the_right_password_an_unproven_address_gets_a_code(desk: AccountDesk) -> None:
    account = await desk.account(active=False)
    with pytest.raises(EmailUnverified) as refused:
        await desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    challenge = await desk.codes.current(CodePurpose.SIGN_UP, account.id)
    assert challenge is not None
    assert (refused.value.challenge_id, refused.value.resend_at) == (
        challenge.id,
        challenge.resend_at,
    )
    assert desk.owed == [(DeliveryKind.SIGN_UP_CODE, EMAIL)]
    assert desk.database.tables.sessions == {}


async def test_an_open_challenge_is_named_again_without_another_code(desk: AccountDesk) -> None:
    challenge = await desk.sign_up(email=EMAIL, password=PASSWORD, display_name="Mira")
    desk.clock.advance(timedelta(minutes=2))
    with pytest.raises(EmailUnverified) as refused:
        await desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    assert refused.value.challenge_id == challenge.id
    assert len(desk.deliveries) == 1


async def test_the_address_gets_no_more_codes_by_logging_in(desk: AccountDesk) -> None:
    await desk.account(active=False)
    await desk.codes.open(CodePurpose.SIGN_UP, EMAIL, None)
    with pytest.raises(RateLimited):
        await desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    assert desk.deliveries == []


async def test_an_unproven_address_with_a_wrong_password_is_refused_like_any(
    desk: AccountDesk,
) -> None:
    await desk.account(active=False)
    with pytest.raises(WrongCredentials):
        await desk.log_in(email=EMAIL, password="something else entirely", device=DEVICE)
    assert desk.deliveries == []


async def test_the_password_of_a_mere_claim_does_not_open_the_owners_account(
    desk: AccountDesk,
) -> None:
    await desk.sign_up(email=EMAIL, password="a stranger planted this", display_name="Mallory")
    await desk.account()
    with pytest.raises(WrongCredentials):
        await desk.log_in(email=EMAIL, password="a stranger planted this", device=DEVICE)


async def test_an_outdated_hash_is_renewed(desk: AccountDesk) -> None:
    await desk.account()
    desk.passwords.strength = 2
    await desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    [account] = desk.accounts
    assert account.password_hash == await desk.passwords.hash(PASSWORD)
    assert not desk.passwords.is_outdated(account.password_hash)


async def test_what_a_device_says_of_itself_is_cut_and_cleaned(desk: AccountDesk) -> None:
    await desk.account()
    device = Device(client_address="2001:db8::1", user_agent="Fire\x00fox\u202e" + "x" * 1000)
    await desk.log_in(email=EMAIL, password=PASSWORD, device=device)
    assert desk.session.user_agent == "Firefox" + "x" * 249
