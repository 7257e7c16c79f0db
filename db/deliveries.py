"""Owed mails in one transaction."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db.rows import DeliveryRow, insert
from domain.deliveries import Delivery


class SqlDeliveries:
    """Implements `Deliveries` in a session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, delivery: Delivery) -> Delivery:
        """Store an owed mail. Raises Taken when one is owed for this event already."""
        return await insert(self._session, DeliveryRow, delivery)

    async def get(self, delivery_id: UUID) -> Delivery | None:
        """Return the delivery."""
        return await self._session.get(DeliveryRow, delivery_id)
