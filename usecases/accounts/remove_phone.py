"""Forget a phone number."""

from dataclasses import dataclass

from domain.accounts import Account
from domain.audit import Act
from domain.refusals import Unauthenticated
from domain.sessions import AccessClaims, Device
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class RemovePhone:
    """Forgets the account's number. Without one nothing happens, and nothing is recorded."""

    reauthenticate: Reauthenticate
    database: Database

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
        return account
