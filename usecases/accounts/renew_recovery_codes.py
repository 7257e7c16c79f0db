"""Get new recovery codes."""

from dataclasses import dataclass

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.sessions import AccessClaims, Device
from usecases.accounts.draw_recovery_codes import DrawRecoveryCodes
from usecases.accounts.prove_factor import FactorProof, ProveFactor
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.unchanged import unchanged
from usecases.deliveries.owe import OweMail
from usecases.ports.transactions import Work


@dataclass(frozen=True, slots=True)
class RenewRecoveryCodes:
    """Replaces all recovery codes: it takes the password and a code of the app to do it.

    A recovery code will not do: whoever found one on paper must not make ten of it.
    """

    reauthenticate: Reauthenticate
    prove_factor: ProveFactor
    draw_recovery_codes: DrawRecoveryCodes
    owe: OweMail

    async def __call__(
        self, claims: AccessClaims, *, password: str, code: str, device: Device
    ) -> list[str]:
        """Return the new codes, for once.

        Raises WrongCredentials, and what the code is refused with.
        """
        checked = await self.reauthenticate(claims, password, device)

        async def renew(work: Work, stored: Account) -> list[str]:
            account = unchanged(stored, checked)
            codes = await self.draw_recovery_codes(work, account.id)
            await work.audit.record(
                Act.RECOVERY_CODES_RENEWED, account.id, session_id=claims.session_id, device=device
            )
            await self.owe.notice(work, DeliveryKind.RECOVERY_CODES_RENEWED, account)
            return codes

        proof = FactorProof(code=code, path=("input",))
        codes = await self.prove_factor(checked.id, proof, device, renew)
        logger.bind(user_id=str(checked.id)).info("Recovery codes renewed")
        return codes
