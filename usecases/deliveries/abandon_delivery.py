"""Give a mail up whose job is out of tries."""

from dataclasses import dataclass
from uuid import UUID

from domain.jobs import Lease
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class AbandonDelivery:
    """Marks a mail as failed, before its job becomes a dead letter."""

    database: Database
    clock: Clock

    async def __call__(self, delivery_id: UUID, lease: Lease, reason: str) -> None:
        """Leave a mail that was sent, or has failed already, as it is. Raises LeaseLost."""
        async with self.database.begin(lease) as work:
            delivery = await work.deliveries.get(delivery_id)
            if delivery is not None and not delivery.is_over:
                delivery.fail(self.clock.now(), reason)
