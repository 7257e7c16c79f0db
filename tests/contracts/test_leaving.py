"""What a `Database` promises of known devices, and of accounts that go: real or fake."""

from datetime import timedelta
from uuid import uuid4

import pytest

from domain.deliveries import DeliveryKind
from domain.devices import KnownDevice
from tests.contracts.conftest import Truth
from tests.factories import a_delivery, a_session, an_account
from tests.fakes.clock import START
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.transactions import Taken


async def test_devices_are_found_by_their_token_and_forgotten(truth: Truth) -> None:
    account, other = an_account(), an_account()
    devices = [
        KnownDevice(
            account_id=account.id,
            digest=bytes([n]) * 32,
            user_agent="Firefox",
            network="203.0.113.0/24",
            added_at=START,
            last_used_at=START + timedelta(hours=n),
        )
        for n in range(3)
    ]
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        await work.accounts.add(other)
        for device in devices:
            await work.devices.add(device)
    async with truth.database.begin() as work:
        found = await work.devices.with_digest(account.id, bytes([1]) * 32)
        assert found is not None
        assert found.id == devices[1].id
        found.last_used_at = START + timedelta(days=1)
        assert await work.devices.with_digest(other.id, bytes([1]) * 32) is None
        assert await work.devices.with_digest(None, bytes([1]) * 32) is None
    async with truth.database.begin() as work:
        known = [device.id for device in await work.devices.of_account(account.id)]
        assert known == [devices[1].id, devices[2].id, devices[0].id]
        await work.devices.remove([devices[0].id])
        assert len(await work.devices.of_account(account.id)) == 2
        await work.devices.remove_all(account.id)
        assert await work.devices.of_account(account.id) == []


async def test_a_device_token_is_known_once(truth: Truth) -> None:
    account = an_account()
    twins = [
        KnownDevice(
            account_id=account.id,
            digest=bytes(32),
            user_agent="",
            network="",
            added_at=START,
            last_used_at=START,
        )
        for _ in range(2)
    ]
    with pytest.raises(Taken):
        async with truth.database.begin() as work:
            await work.accounts.add(account)
            for twin in twins:
                await work.devices.add(twin)


async def test_accounts_leave_in_the_order_in_which_they_are_due(truth: Truth) -> None:
    accounts = [an_account().activate(START) for _ in range(3)]
    accounts[0].leave(START, timedelta(days=2))
    accounts[1].leave(START, timedelta(days=1))
    async with truth.database.begin() as work:
        for account in accounts:
            await work.accounts.add(account)
    async with truth.database.begin() as work:
        both = await work.accounts.leaving(START + timedelta(days=2), 10)
        assert both == [accounts[1].id, accounts[0].id]
        assert await work.accounts.leaving(START + timedelta(days=2), 1) == [accounts[1].id]
        assert await work.accounts.leaving(START, 10) == []


async def test_an_erased_account_takes_its_own_with_it_and_nothing_else(truth: Truth) -> None:
    mine, theirs = an_account(), an_account()
    async with truth.database.begin() as work:
        for account in (mine, theirs):
            await work.accounts.add(account)
            await work.sessions.add(a_session(account.id))
            await work.deliveries.add(a_delivery(account.id, recipient=account.email))
            await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()), account_id=account.id)
        await work.deliveries.add(a_delivery(None, recipient=mine.email))
    async with truth.database.begin() as work:
        await work.jobs.cancel_all(mine.id)
    assert len(truth.queue.called_off) == 1
    async with truth.database.begin() as work:
        await work.jobs.remove_all(mine.id)
        await work.deliveries.remove_to([mine.email])
        await work.accounts.erase(mine.id)
    async with truth.database.begin() as work:
        assert await work.accounts.get(mine.id) is None
        assert await work.accounts.get(theirs.id) is not None
        session = a_session(theirs.id)
        await work.sessions.add(session)
        assert await work.sessions.has_others(theirs.id, but=session.id)
        assert not await work.sessions.has_others(mine.id, but=session.id)
        kept = await work.dossiers.of_account(theirs.id)
        gone = await work.dossiers.of_account(mine.id)
    assert {name: len(rows) for name, rows in kept.items() if rows} == {
        "account": 1,
        "sessions": 2,
        "deliveries": 1,
        "jobs": 1,
    }
    assert not any(gone.values())


async def test_mails_of_a_kind_are_counted_for_their_account(truth: Truth) -> None:
    account = an_account()
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        for hour in range(3):
            await work.deliveries.add(
                a_delivery(
                    account.id,
                    kind=DeliveryKind.PHONE_CODE,
                    event_key=f"code {hour}",
                    created_at=START + timedelta(hours=hour),
                )
            )
        await work.deliveries.add(a_delivery(account.id))
    async with truth.database.begin() as work:
        times = await work.deliveries.owed_since(account.id, {DeliveryKind.PHONE_CODE}, START)
        assert times == [START + timedelta(hours=1), START + timedelta(hours=2)]
        found = await work.deliveries.with_event("code 1")
        assert found is not None
        assert found.created_at == START + timedelta(hours=1)
        assert await work.deliveries.with_event("code 7") is None
