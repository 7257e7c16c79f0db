"""Begin to use an authenticator app."""

from dataclasses import dataclass

from domain.refusals import SecondFactorInPlace
from domain.second_factors import TotpFactor, TotpSecret
from domain.sessions import AccessClaims, Device
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.unchanged import lock_unchanged
from usecases.ports.factors import TotpCodes
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class BeginTotpEnrollment:
    """Draws a secret for an app. Log-ins do not ask for it until a first code has confirmed it.

    A secret that was never confirmed is replaced.
    """

    reauthenticate: Reauthenticate
    database: Database
    totp_codes: TotpCodes
    clock: Clock

    async def __call__(self, claims: AccessClaims, *, password: str, device: Device) -> TotpSecret:
        """Return the secret, for once. Raises WrongCredentials or SecondFactorInPlace."""
        account = await self.reauthenticate(claims, password, device)
        secret, now = self.totp_codes.draw(account), self.clock.now()
        async with self.database.begin() as work:
            await lock_unchanged(work, account)
            factor = await work.factors.of_account(account.id)
            if factor is None:
                await work.factors.add(
                    TotpFactor(account_id=account.id, sealed_secret=secret.sealed, created_at=now)
                )
            elif factor.is_enabled:
                raise SecondFactorInPlace
            else:
                factor.sealed_secret, factor.created_at = secret.sealed, now
        return secret
