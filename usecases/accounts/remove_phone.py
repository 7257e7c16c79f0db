"""Forget a phone number."""

from dataclasses import dataclass

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.refusals import Unauthenticated
from domain.sessions import AccessClaims, Device
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.deliveries.owe import OweMail
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class RemovePhone:
    """Forgets the account's number, and tells its owner. Without one nothing happens."""

    reauthenticate: Reauthenticate
    database: Database
    owe: OweMail

    async def __call__(self, claims: AccessClaims, *, password: str, device: Device) -> Account:
        """Return the account without it.

        Raises WrongCredentials, AccountLocked, Unauthenticated or UpstreamUnavailable.
        """
        await self.reauthenticate(claims, password, device)
        async with self.database.begin() as work:
            account = await work.accounts.lock(claims.account_id)
            if account is None:
                raise Unauthenticated
            if account.phone_number is not None:
                account.drop_phone()
                await work.audit.record(
                    Act.PHONE_REMOVED, account.id, session_id=claims.session_id, device=device
                )
                await self.owe.notice(work, DeliveryKind.PHONE_REMOVED, account)
        return account
