"""Keep an account that was to be deleted."""

from dataclasses import dataclass

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.refusals import Unauthenticated
from domain.sessions import AccessClaims, Device
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class CancelAccountDeletion:
    """Ends the time of grace in its owner's favour: nothing is lost. Again it does no harm."""

    database: Database

    async def __call__(self, claims: AccessClaims, *, device: Device) -> Account:
        """Return the account, which stays. Raises Unauthenticated where it has been closed."""
        async with self.database.begin() as work:
            account = await work.accounts.lock(claims.account_id)
            if account is None or not account.is_active:
                raise Unauthenticated
            if account.is_leaving:
                account.stay()
                await work.audit.record(
                    Act.DELETION_CANCELED,
                    account.id,
                    session_id=claims.session_id,
                    device=device,
                )
        logger.bind(user_id=str(account.id)).info("Deletion of an account canceled")
        return account
