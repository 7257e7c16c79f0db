"""Open a suspended account again."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.sessions import AccessClaims, Device
from usecases.administration.authorize_admin import AuthorizeAdmin
from usecases.administration.managed_accounts import checked_reason, lock_managed
from usecases.deliveries.owe import OweMail
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class ReinstateAccount:
    """Lets an owner in again, and tells them by mail. Where it is not suspended, it does no harm.

    Sessions that were ended stay ended.
    """

    authorize_admin: AuthorizeAdmin
    database: Database
    owe: OweMail

    async def __call__(
        self, claims: AccessClaims, device: Device, *, account_id: UUID, reason: str
    ) -> Account:
        """Return the account.

        Raises Unauthenticated, Forbidden, ReauthenticationRequired, InvalidInput or
        AccountNotFound.
        """
        async with self.database.begin() as work:
            admin = await self.authorize_admin.within(work, claims, device)
            why = checked_reason(reason)
            account = await lock_managed(work, account_id)
            if account.is_suspended:
                account.reinstate()
                await admin.record(work, Act.ACCOUNT_REINSTATED, account.id, reason=why)
                if account.is_active:
                    await self.owe.notice(work, DeliveryKind.ACCOUNT_REINSTATED, account)
        logger.bind(user_id=str(account.id), admin_id=str(admin.account_id)).info(
            "Account reinstated"
        )
        return account
