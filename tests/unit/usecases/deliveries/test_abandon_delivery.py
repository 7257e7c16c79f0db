"""A mail whose job is out of tries has failed."""

from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from domain.deliveries import Delivery, DeliveryStatus
from domain.jobs import Lease, Queue
from tests.factories import a_delivery
from tests.fakes.clock import START, FakeClock
from tests.fakes.database import FakeDatabase, FakeJobDesk
from tests.jobs import claimed
from usecases.deliveries.abandon_delivery import AbandonDelivery
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.transactions import LeaseLost


async def leased(database: FakeDatabase, delivery: Delivery) -> Lease:
    """Store the delivery and return the lease of its job."""
    async with database.begin() as work:
        await work.deliveries.add(delivery)
        await work.jobs.add(SendDeliveryTask(delivery_id=delivery.id))
    return (await claimed(FakeJobDesk(database), Queue.MAIL))[1]


def stored(database: FakeDatabase, delivery_id: UUID) -> Delivery:
    return database.tables.deliveries[delivery_id]


@pytest.fixture
async def database() -> FakeDatabase:
    return FakeDatabase(FakeClock())


@pytest.mark.parametrize("status", [DeliveryStatus.QUEUED, DeliveryStatus.SENDING])
async def test_it_is_marked_as_failed_with_the_reason(
    database: FakeDatabase, status: DeliveryStatus
) -> None:
    delivery = a_delivery(None, status=status)
    lease = await leased(database, delivery)
    await AbandonDelivery(database, database.clock)(delivery.id, lease, "out of tries")

    abandoned = stored(database, delivery.id)
    assert abandoned.status is DeliveryStatus.FAILED
    assert abandoned.failed_at == START
    assert abandoned.last_error == "out of tries"


async def test_one_that_was_sent_stays_sent(database: FakeDatabase) -> None:
    delivery = a_delivery(None, status=DeliveryStatus.SENT, sent_at=START)
    lease = await leased(database, delivery)
    await AbandonDelivery(database, database.clock)(delivery.id, lease, "out of tries")

    assert stored(database, delivery.id) == delivery


async def test_one_that_is_gone_is_nothing_to_do(database: FakeDatabase) -> None:
    delivery = a_delivery(None)
    lease = await leased(database, delivery)
    await AbandonDelivery(database, database.clock)(uuid7(), lease, "out of tries")

    assert stored(database, delivery.id) == delivery


async def test_nothing_is_written_without_the_lease(database: FakeDatabase) -> None:
    clock = FakeClock()
    database.clock = clock
    delivery = a_delivery(None)
    lease = await leased(database, delivery)
    clock.advance(timedelta(seconds=30))

    with pytest.raises(LeaseLost):
        await AbandonDelivery(database, clock)(delivery.id, lease, "out of tries")
    assert stored(database, delivery.id).status is DeliveryStatus.QUEUED
