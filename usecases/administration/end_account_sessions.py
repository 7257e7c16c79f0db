"""End all sessions of somebody's account."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.sessions import AccessClaims, Device, SessionEnd
from usecases.accounts.revocation import Revocation
from usecases.administration.authorize_admin import UNTOLD, AuthorizeAdmin
from usecases.administration.managed_accounts import checked_reason, lock_managed
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class EndAccountSessions:
    """Logs an account out everywhere; its owner can log in again (OWASP ASVS 5.0, 7.4.5)."""

    authorize_admin: AuthorizeAdmin
    database: Database
    revocation: Revocation

    async def __call__(
        self, claims: AccessClaims, device: Device, *, account_id: UUID, reason: str
    ) -> tuple[Account, int]:
        """Return the account, and how many sessions were ended.

        Raises Unauthenticated, Forbidden, ReauthenticationRequired, InvalidInput or
        AccountNotFound.
        """
        async with self.database.begin() as work:
            admin = await self.authorize_admin.within(work, claims, device)
            why = checked_reason(reason)
            account = await lock_managed(work, account_id)
            every = await work.sessions.lock_open(account.id)
            ended = await self.revocation.end(work, every, SessionEnd.ENDED_BY_ADMIN, UNTOLD)
            await admin.record(work, Act.SESSIONS_ENDED_BY_ADMIN, account.id, reason=why)
        await self.revocation.announce(ended)
        logger.bind(user_id=str(account.id), admin_id=str(admin.account_id)).info(
            "An admin ended {} sessions of an account", len(ended)
        )
        return account, len(ended)
