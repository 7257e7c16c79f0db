"""Jobs about mails."""

from typing import Protocol
from uuid import UUID

from domain.jobs import Lease
from usecases.deliveries.send_delivery import SendDeliveryTask
from workers.runner import Handler


class DeliveryDuties(Protocol):
    """What these jobs call."""

    async def send_delivery(self, delivery_id: UUID, lease: Lease) -> None:
        """Send the mail, unless it was sent."""
        ...

    async def abandon_delivery(self, delivery_id: UUID, lease: Lease, reason: str) -> None:
        """Record that it will not be sent."""
        ...


def send_delivery(duties: DeliveryDuties) -> Handler:
    """Send a mail."""

    async def run(task: SendDeliveryTask, lease: Lease) -> None:
        await duties.send_delivery(task.delivery_id, lease)

    async def abandon(task: SendDeliveryTask, lease: Lease, reason: str) -> None:
        await duties.abandon_delivery(task.delivery_id, lease, reason)

    return Handler(SendDeliveryTask, run, abandon)
