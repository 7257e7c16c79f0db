"""Signing keys in one transaction."""

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.rows import SigningKeyRow, insert
from domain.signing_keys import SigningKey

LOCK = 1_620_033_988_749_895
"""Key of the advisory lock under which keys change, as an empty table has no row to lock."""


class SqlSigningKeys:
    """Implements `SigningKeys` in a session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def all(self) -> list[SigningKey]:
        """Return the keys, oldest first."""
        rows = await self._session.scalars(
            select(SigningKeyRow)
            .order_by(col(SigningKeyRow.created_at), col(SigningKeyRow.id))
            .execution_options(populate_existing=True)
        )
        return list(rows)

    async def lock(self) -> list[SigningKey]:
        """Return the keys as they are now, and hold off others until the transaction ends."""
        await self._session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        return await self.all()

    async def add(self, key: SigningKey) -> SigningKey:
        """Store a new key."""
        return await insert(self._session, SigningKeyRow, key)

    async def remove(self, key: SigningKey) -> None:
        """Forget a key."""
        await self._session.execute(delete(SigningKeyRow).where(col(SigningKeyRow.id) == key.id))
