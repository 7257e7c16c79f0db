"""Ask for the end of an account."""

from dataclasses import dataclass
from datetime import timedelta

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.refusals import Unauthenticated
from domain.sessions import AccessClaims, Device, SessionEnd
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.revocation import Revocation
from usecases.deliveries.owe import OweMail
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class RequestAccountDeletion:
    """Begins the time of grace, ends the other sessions, and tells the owner by mail.

    Until the grace is over its owner can log in and change their mind. Asking again changes
    nothing, and sends no other mail.
    """

    reauthenticate: Reauthenticate
    database: Database
    revocation: Revocation
    owe: OweMail
    clock: Clock
    grace: timedelta

    async def __call__(
        self, claims: AccessClaims, *, password: str, device: Device
    ) -> tuple[Account, int]:
        """Return the account with the day of its end, and how many sessions were ended.

        Raises WrongCredentials, AccountLocked, Unauthenticated or UpstreamUnavailable.
        """
        await self.reauthenticate(claims, password, device)
        async with self.database.begin() as work:
            account = await work.accounts.lock(claims.account_id)
            if account is None or not account.is_active:
                raise Unauthenticated
            others = [
                session
                for session in await work.sessions.lock_open(account.id)
                if session.id != claims.session_id
            ]
            ended = await self.revocation.end(work, others, SessionEnd.ACCOUNT_DELETION, device)
            if not account.is_leaving:
                account.leave(self.clock.now(), self.grace)
                await work.audit.record(
                    Act.DELETION_REQUESTED,
                    account.id,
                    session_id=claims.session_id,
                    device=device,
                )
                await self.owe.notice(work, DeliveryKind.DELETION_REQUESTED, account)
        await self.revocation.announce(ended)
        logger.bind(user_id=str(account.id)).info("Deletion of an account asked for")
        return account, len(ended)
