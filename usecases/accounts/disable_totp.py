"""Stop using an authenticator app."""

from dataclasses import dataclass

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.sessions import AccessClaims, Device
from usecases.accounts.prove_factor import FactorProof, ProveFactor
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.unchanged import unchanged
from usecases.deliveries.owe import OweMail
from usecases.ports.transactions import Work


@dataclass(frozen=True, slots=True)
class DisableTotp:
    """Removes the app and the recovery codes: it takes the password and one of them to do it."""

    reauthenticate: Reauthenticate
    prove_factor: ProveFactor
    owe: OweMail

    async def __call__(
        self, claims: AccessClaims, *, password: str, proof: FactorProof, device: Device
    ) -> Account:
        """Return the account, which is opened by its password alone.

        Raises WrongCredentials, and what the proof is refused with.
        """
        checked = await self.reauthenticate(claims, password, device)

        async def disable(work: Work, stored: Account) -> Account:
            account = unchanged(stored, checked)
            await work.factors.remove(account.id)
            await work.audit.record(
                Act.TOTP_DISABLED, account.id, session_id=claims.session_id, device=device
            )
            await self.owe.notice(work, DeliveryKind.TOTP_DISABLED, account)
            return account

        account = await self.prove_factor(checked.id, proof, device, disable)
        logger.bind(user_id=str(account.id)).info("Second factor disabled")
        return account
