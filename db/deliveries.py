"""Owed mails in one transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.removal import remove
from db.rows import DeliveryRow, insert
from domain.deliveries import Delivery, DeliveryKind


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

    async def with_event(self, event_key: str) -> Delivery | None:
        """Return what is owed for this event."""
        return await self._session.scalar(
            select(DeliveryRow).where(col(DeliveryRow.event_key) == event_key)
        )

    async def remove_to(self, recipients: Sequence[str]) -> None:
        """Remove all mails to these addresses, those to nobody's account too."""
        await self._session.execute(
            delete(DeliveryRow).where(col(DeliveryRow.recipient).in_(recipients))
        )

    async def owed_since(
        self, account_id: UUID, kinds: Collection[DeliveryKind], since: datetime
    ) -> list[datetime]:
        """Return when the account was owed mails of these kinds, oldest first."""
        created_at = col(DeliveryRow.created_at)
        moments = await self._session.scalars(
            select(created_at)
            .where(
                col(DeliveryRow.account_id) == account_id,
                col(DeliveryRow.kind).in_(kinds),
                created_at > since,
            )
            .order_by(created_at)
        )
        return list(moments)

    async def remove_decoys(self, before: datetime, limit: int) -> int:
        """Remove mails that were owed to nobody, and given up before then; tell how many."""
        is_old = and_(col(DeliveryRow.account_id).is_(None), col(DeliveryRow.failed_at) < before)
        return await remove(self._session, DeliveryRow, is_old, limit)
