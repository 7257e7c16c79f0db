"""Knowing a device again, and telling of a new one."""

from datetime import timedelta

import pytest

from domain.deliveries import DeliveryKind
from domain.refusals import AccountLocked, WrongCredentials
from domain.sessions import Device
from tests.fakes.accounts import EMAIL, PASSWORD, AccountDesk

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.7"
WRONG = "something else entirely"


async def log_in(desk: AccountDesk, address: str = HERE, token: str | None = None) -> str:
    """Log in and return the token that the device is known by."""
    device = Device(client_address=address, user_agent="Firefox", token=token)
    return (await desk.log_in(email=EMAIL, password=PASSWORD, device=device)).device_token


async def fail(
    desk: AccountDesk, times: int, address: str, token: str | None = None, email: str = EMAIL
) -> list[type[Exception]]:
    """Offer wrong passwords; return what they were refused with."""
    device = Device(client_address=address, user_agent="Firefox", token=token)
    refusals: list[type[Exception]] = []
    for _ in range(times):
        try:
            await desk.log_in(email=email, password=WRONG, device=device)
        except (WrongCredentials, AccountLocked) as refusal:
            refusals.append(type(refusal))
    return refusals


async def test_a_device_gets_a_token_that_is_stored_only_as_its_hash(desk: AccountDesk) -> None:
    await desk.account()
    token = await log_in(desk)
    [device] = desk.database.tables.devices.values()
    assert token.startswith("sld_")
    assert len(device.digest) == 32
    assert token not in str(desk.database.tables)
    assert (device.network, device.added_at) == ("203.0.113.0/24", desk.clock.now())


async def test_a_known_device_keeps_its_token_and_is_told_of_no_more(desk: AccountDesk) -> None:
    await desk.account()
    token = await log_in(desk)
    desk.clock.advance(timedelta(days=3))
    assert await log_in(desk, ELSEWHERE, token) == token
    [device] = desk.database.tables.devices.values()
    assert (device.network, device.last_used_at) == ("198.51.100.0/24", desk.clock.now())
    assert desk.owed == []


async def test_the_first_device_is_no_news_and_the_second_is(desk: AccountDesk) -> None:
    await desk.account()
    await log_in(desk)
    assert desk.owed == []
    await log_in(desk, ELSEWHERE)
    assert desk.owed == [(DeliveryKind.NEW_DEVICE, EMAIL)]
    newest = max(desk.database.tables.sessions)
    assert desk.deliveries[0].subject_id == newest


async def test_a_network_is_told_of_once_an_hour(desk: AccountDesk) -> None:
    await desk.account()
    await log_in(desk)
    for _ in range(3):
        await log_in(desk, ELSEWHERE)
    assert len(desk.owed) == 1
    await log_in(desk, "192.0.2.7")
    assert len(desk.owed) == 2
    desk.clock.advance(timedelta(minutes=61))
    await log_in(desk, ELSEWHERE)
    assert len(desk.owed) == 3


async def test_a_made_up_token_or_that_of_another_account_makes_nobody_known(
    desk: AccountDesk,
) -> None:
    await desk.account()
    other = await desk.account(email="noa@readers.example")
    await log_in(desk)
    device = Device(client_address=HERE, user_agent="Firefox")
    theirs = await desk.log_in(email=other.email, password=PASSWORD, device=device)
    for token in ("sld_" + "x" * 43, theirs.device_token):
        assert await log_in(desk, ELSEWHERE, token) != token
    assert len(desk.owed) == 1


async def test_a_device_that_was_not_used_for_long_is_forgotten(desk: AccountDesk) -> None:
    await desk.account()
    token = await log_in(desk)
    desk.clock.advance(timedelta(days=180))
    assert await log_in(desk, HERE, token) != token
    assert len(desk.database.tables.devices) == 1
    assert [kind for kind, _ in desk.owed] == [DeliveryKind.NEW_DEVICE]


async def test_an_account_is_known_by_twenty_devices_at_most(desk: AccountDesk) -> None:
    await desk.account()
    tokens = []
    for _ in range(22):
        desk.clock.advance(timedelta(minutes=1))
        tokens.append(await log_in(desk))
    assert len(desk.database.tables.devices) == 20
    known = {device.digest for device in desk.database.tables.devices.values()}
    digest = desk.known_devices.tokens.digest
    assert [digest(token) in known for token in tokens] == [False] * 2 + [True] * 20


async def test_a_stranger_cannot_lock_the_owners_device_out(desk: AccountDesk) -> None:
    await desk.account()
    token = await log_in(desk)
    assert await fail(desk, 7, HERE) == [WrongCredentials] * 5 + [AccountLocked] * 2
    with pytest.raises(AccountLocked):
        await log_in(desk)
    assert await log_in(desk, HERE, token) == token
    assert await fail(desk, 1, HERE) == [AccountLocked]


async def test_a_known_device_has_five_tries_of_its_own(desk: AccountDesk) -> None:
    await desk.account()
    token = await log_in(desk)
    assert await fail(desk, 6, HERE, token) == [WrongCredentials] * 5 + [AccountLocked]
    assert len(desk.passwords.verified) == 6


async def test_an_unknown_address_locks_like_a_known_one(desk: AccountDesk) -> None:
    await desk.account()
    nobody = await fail(desk, 7, ELSEWHERE, email="Nobody@readers.example")
    assert await fail(desk, 7, ELSEWHERE) == nobody
    assert nobody == [WrongCredentials] * 5 + [AccountLocked] * 2
    assert await fail(desk, 1, ELSEWHERE, email="nobody@READERS.example") == [AccountLocked]


async def test_a_locked_try_costs_no_hash_and_is_not_recorded(desk: AccountDesk) -> None:
    await desk.account()
    await fail(desk, 20, HERE)
    assert len(desk.passwords.verified) == 5
    acts = [record.entry.act.value for record in desk.database.audited]
    assert acts == ["log_in_failed"] * 5 + ["locked_out"]


async def test_the_right_password_forgives_the_wrong_ones_before(desk: AccountDesk) -> None:
    await desk.account()
    for _ in range(3):
        await fail(desk, 4, HERE)
        await log_in(desk)


async def test_asking_for_the_password_again_counts_for_the_session_alone(
    desk: AccountDesk,
) -> None:
    logged_in = await desk.logged_in()
    claims = await desk.authenticate(logged_in.tokens.access_token)
    device = Device(client_address=HERE, user_agent="Firefox")
    await fail(desk, 6, HERE)
    for _ in range(5):
        with pytest.raises(WrongCredentials) as refused:
            await desk.reauthenticate(claims, WRONG, device)
        assert refused.value.path == ("input", "password")
    with pytest.raises(AccountLocked):
        await desk.reauthenticate(claims, PASSWORD, device)
    desk.clock.advance(timedelta(minutes=15))
    assert await desk.reauthenticate(claims, PASSWORD, device) == logged_in.account
