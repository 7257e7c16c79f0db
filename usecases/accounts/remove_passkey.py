"""Remove a passkey."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.refusals import NotFound
from domain.sessions import AccessClaims, Device
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.unchanged import lock_unchanged
from usecases.deliveries.owe import OweMail
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class RemovePasskey:
    """Forgets a public key: nobody logs in with it any more. The password remains as a way in."""

    reauthenticate: Reauthenticate
    database: Database
    owe: OweMail

    async def __call__(
        self, claims: AccessClaims, passkey_id: UUID, *, password: str, device: Device
    ) -> Account:
        """Return the account. Raises WrongCredentials or NotFound."""
        checked = await self.reauthenticate(claims, password, device)
        async with self.database.begin() as work:
            account = await lock_unchanged(work, checked)
            passkey = await work.passkeys.get(passkey_id)
            if passkey is None or passkey.account_id != account.id:
                raise NotFound(path=("input", "passkeyId"))
            await work.passkeys.remove(passkey)
            await work.audit.record(
                Act.PASSKEY_REMOVED, account.id, session_id=claims.session_id, device=device
            )
            await self.owe.notice(work, DeliveryKind.PASSKEY_REMOVED, account)
        logger.bind(user_id=str(account.id)).info("Passkey removed")
        return account
