"""Suspend an account."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.refusals import OwnAccount
from domain.sessions import AccessClaims, Device, SessionEnd
from usecases.accounts.revocation import Revocation
from usecases.administration.authorize_admin import UNTOLD, AuthorizeAdmin
from usecases.administration.managed_accounts import checked_reason, lock_managed
from usecases.deliveries.owe import OweMail
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class SuspendAccount:
    """Ends an account's sessions, keeps its owner out, and tells them by mail.

    What runs for it runs on, and what is its own stays. Again it changes nothing.
    """

    authorize_admin: AuthorizeAdmin
    database: Database
    revocation: Revocation
    owe: OweMail
    clock: Clock

    async def __call__(
        self, claims: AccessClaims, device: Device, *, account_id: UUID, reason: str
    ) -> tuple[Account, int]:
        """Return the account, and how many sessions were ended.

        Raises Unauthenticated, Forbidden, ReauthenticationRequired, InvalidInput, OwnAccount or
        AccountNotFound.
        """
        async with self.database.begin() as work:
            admin = await self.authorize_admin.within(work, claims, device)
            why = checked_reason(reason)
            if account_id == admin.account_id:
                raise OwnAccount
            # Held, so that a log-in that has come so far is over, or finds it suspended.
            account = await lock_managed(work, account_id)
            every = await work.sessions.lock_open(account.id)
            ended = await self.revocation.end(work, every, SessionEnd.ACCOUNT_SUSPENDED, UNTOLD)
            if not account.is_suspended:
                account.suspend(self.clock.now())
                await admin.record(work, Act.ACCOUNT_SUSPENDED, account.id, reason=why)
                if account.is_active:  # an address that is not proven gets codes alone
                    await self.owe.notice(work, DeliveryKind.ACCOUNT_SUSPENDED, account)
        await self.revocation.announce(ended)
        logger.bind(user_id=str(account.id), admin_id=str(admin.account_id)).info(
            "Account suspended"
        )
        return account, len(ended)
