"""Accounts in one transaction."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.removal import remove
from db.rows import AccountRow, insert
from domain.accounts import Account, AccountStatus, Role


class SqlAccounts:
    """Implements `Accounts` in a session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, account: Account) -> Account:
        """Store a new account. Raises Taken when another active one has its address."""
        return await insert(self._session, AccountRow, account)

    async def get(self, account_id: UUID) -> Account | None:
        """Return the account."""
        return await self._session.get(AccountRow, account_id)

    async def lock(self, account_id: UUID) -> Account | None:
        """Return the account as it is now, and hold it until the transaction ends.

        Rows that refer to it can still be added meanwhile: only its key is not locked.
        """
        return await self._session.scalar(
            select(AccountRow)
            .where(col(AccountRow.id) == account_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )

    async def active_with_email(self, email: str) -> Account | None:
        """Return the account that has proven this address."""
        return await self._session.scalar(
            select(AccountRow).where(
                col(AccountRow.email) == email,
                col(AccountRow.status) == AccountStatus.ACTIVE,
            )
        )

    async def latest_pending_with_email(self, email: str) -> Account | None:
        """Return the account that claimed this address last and has not proven it."""
        return await self._session.scalar(
            select(AccountRow)
            .where(
                col(AccountRow.email) == email,
                col(AccountRow.status) == AccountStatus.PENDING,
            )
            .order_by(col(AccountRow.created_at).desc(), col(AccountRow.id).desc())
            .limit(1)
        )

    async def lock_email(self, email: str) -> None:
        """Hold off other transactions that lock this address, whether or not it has an account."""
        await self._session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(email, 0)))
        )

    async def remove_pending_with_email(self, email: str, *, but: UUID) -> None:
        """Remove the other accounts that claim this address, and all that hangs on them."""
        await self._session.execute(
            delete(AccountRow).where(
                col(AccountRow.email) == email,
                col(AccountRow.status) == AccountStatus.PENDING,
                col(AccountRow.id) != but,
            )
        )

    async def with_role(self, role: Role) -> list[Account]:
        """Return the accounts with this role, oldest first."""
        found = await self._session.scalars(
            select(AccountRow)
            .where(col(AccountRow.role) == role)
            .order_by(col(AccountRow.created_at), col(AccountRow.id))
        )
        return list(found)

    async def leaving(self, due: datetime, limit: int) -> list[UUID]:
        """Return accounts whose time of grace was over then, closed ones too, oldest first."""
        found = await self._session.scalars(
            select(col(AccountRow.id))
            .where(col(AccountRow.deletion_due_at) <= due)
            .order_by(col(AccountRow.deletion_due_at), col(AccountRow.id))
            .limit(limit)
        )
        return list(found)

    async def erase(self, account_id: UUID) -> None:
        """Remove an account; what refers to it goes with it."""
        await self._session.execute(delete(AccountRow).where(col(AccountRow.id) == account_id))

    async def remove_pending_since(self, before: datetime, limit: int) -> int:
        """Remove accounts that have not proven their address since then; tell how many."""
        is_stale = and_(
            col(AccountRow.status) == AccountStatus.PENDING, col(AccountRow.created_at) < before
        )
        stale = await self._session.execute(
            select(col(AccountRow.id), col(AccountRow.email))
            .where(is_stale)
            .order_by(col(AccountRow.email))
            .limit(limit)
        )
        claims = stale.all()
        for email in sorted({email for _, email in claims}):
            await self.lock_email(email)  # nobody proves it, or owes it a mail, meanwhile
        doomed = and_(is_stale, col(AccountRow.id).in_([key for key, _ in claims]))
        return await remove(self._session, AccountRow, doomed, limit)
