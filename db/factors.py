"""Authenticator apps and recovery codes in one transaction."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.rows import RecoveryCodeRow, TotpFactorRow, insert
from domain.second_factors import RecoveryCode, TotpFactor


class SqlSecondFactors:
    """Implements `SecondFactors` in a session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, factor: TotpFactor) -> TotpFactor:
        """Store the account's app. Raises Taken when it has one."""
        return await insert(self._session, TotpFactorRow, factor)

    async def of_account(self, account_id: UUID) -> TotpFactor | None:
        """Return the account's app as it is now, and hold it until the transaction ends.

        The account's lock would do; this one stands where the time step is used up, so that no
        caller who forgets the other can have a code accepted twice.
        """
        return await self._session.scalar(
            select(TotpFactorRow)
            .where(col(TotpFactorRow.account_id) == account_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    async def remove(self, account_id: UUID) -> None:
        """Remove the app and all recovery codes of the account."""
        await self._session.execute(
            delete(TotpFactorRow).where(col(TotpFactorRow.account_id) == account_id)
        )
        await self.replace_recovery_codes(account_id, [])

    async def replace_recovery_codes(self, account_id: UUID, codes: Sequence[RecoveryCode]) -> None:
        """Store these in the place of all that the account had."""
        await self._session.execute(
            delete(RecoveryCodeRow).where(col(RecoveryCodeRow.account_id) == account_id)
        )
        for code in codes:
            await insert(self._session, RecoveryCodeRow, code)

    async def recovery_code(self, account_id: UUID, digest: bytes) -> RecoveryCode | None:
        """Return the account's code with this digest as it is now, and hold it."""
        return await self._session.scalar(
            select(RecoveryCodeRow)
            .where(
                col(RecoveryCodeRow.account_id) == account_id,
                col(RecoveryCodeRow.digest) == digest,
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        )
