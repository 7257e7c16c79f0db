"""Passkeys in one transaction."""

from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.rows import PasskeyRow, insert
from domain.passkeys import Passkey


class SqlPasskeys:
    """Implements `Passkeys` in a session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, passkey: Passkey) -> Passkey:
        """Store a passkey. Raises Taken when the credential is known already, whosever it is."""
        return await insert(self._session, PasskeyRow, passkey)

    async def get(self, passkey_id: UUID) -> Passkey | None:
        """Return the passkey."""
        return await self._session.get(PasskeyRow, passkey_id)

    async def with_credential(self, credential_id: bytes) -> Passkey | None:
        """Return the passkey as it is now: after the account's lock, nobody changes it."""
        return await self._session.scalar(
            select(PasskeyRow)
            .where(col(PasskeyRow.credential_id) == credential_id)
            .execution_options(populate_existing=True)
        )

    async def of_account(self, account_id: UUID) -> list[Passkey]:
        """Return the account's passkeys, oldest first."""
        found = await self._session.scalars(
            select(PasskeyRow)
            .where(col(PasskeyRow.account_id) == account_id)
            .order_by(col(PasskeyRow.id))
        )
        return list(found)

    async def remove(self, passkey: Passkey) -> None:
        """Remove it."""
        await self._session.execute(delete(PasskeyRow).where(col(PasskeyRow.id) == passkey.id))
