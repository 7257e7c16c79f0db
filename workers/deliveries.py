"""Jobs about mails."""

from datetime import timedelta
from typing import Protocol
from uuid import UUID

from domain.jobs import Lease, RetryPolicy, SendDelivery
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
    """Send a mail. It knows when it expires, so its tries are more than it will ever need."""

    async def run(task: SendDelivery, lease: Lease) -> None:
        await duties.send_delivery(task.delivery_id, lease)

    async def abandon(task: SendDelivery, lease: Lease, reason: str) -> None:
        await duties.abandon_delivery(task.delivery_id, lease, reason)

    return Handler(run, abandon, RetryPolicy(attempts=50), timeout=timedelta(minutes=5))
