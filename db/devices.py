"""Known devices in one transaction."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.rows import KnownDeviceRow, insert
from domain.devices import KnownDevice


class SqlDevices:
    """Implements `Devices` in a session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, device: KnownDevice) -> KnownDevice:
        """Store a new device."""
        return await insert(self._session, KnownDeviceRow, device)

    async def with_digest(self, account_id: UUID | None, digest: bytes) -> KnownDevice | None:
        """Return the account's device with this token; without an account it is looked up too."""
        return await self._session.scalar(
            select(KnownDeviceRow).where(
                col(KnownDeviceRow.digest) == digest, col(KnownDeviceRow.account_id) == account_id
            )
        )

    async def of_account(self, account_id: UUID) -> list[KnownDevice]:
        """Return the account's devices, those last used first."""
        found = await self._session.scalars(
            select(KnownDeviceRow)
            .where(col(KnownDeviceRow.account_id) == account_id)
            .order_by(col(KnownDeviceRow.last_used_at).desc(), col(KnownDeviceRow.id).desc())
        )
        return list(found)

    async def remove(self, device_ids: Sequence[UUID]) -> None:
        """Forget these devices."""
        await self._session.execute(
            delete(KnownDeviceRow).where(col(KnownDeviceRow.id).in_(device_ids))
        )

    async def remove_all(self, account_id: UUID) -> None:
        """Forget the account's devices."""
        await self._session.execute(
            delete(KnownDeviceRow).where(col(KnownDeviceRow.account_id) == account_id)
        )
