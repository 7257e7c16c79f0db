"""Prove that an authenticator app holds the secret, and use it from now on."""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.refusals import (
    CodeInvalid,
    SecondFactorInPlace,
    SecondFactorMissing,
    Unauthenticated,
    UpstreamUnavailable,
)
from domain.second_factors import TotpFactor
from domain.sessions import AccessClaims, Device
from usecases.accounts.draw_recovery_codes import DrawRecoveryCodes
from usecases.accounts.prove_factor import checked_app_code
from usecases.deliveries.owe import OweMail
from usecases.ports.factors import FactorTries, SecretUnreadable, TotpCodes
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class ConfirmTotpEnrollment:
    """Enables the second factor by a first code of the app, and gives recovery codes."""

    database: Database
    totp_codes: TotpCodes
    draw_recovery_codes: DrawRecoveryCodes
    tries: FactorTries
    owe: OweMail
    clock: Clock

    async def __call__(self, claims: AccessClaims, *, code: str, device: Device) -> list[str]:
        """Return the recovery codes, for once.

        Raises InvalidInput, CodeInvalid, SecondFactorLocked, SecondFactorInPlace,
        SecondFactorMissing or UpstreamUnavailable.
        """
        digits = checked_app_code(code, prefix=("input",))
        left = await self.tries.take(claims.account_id)
        async with self.database.begin() as work:
            account = await work.accounts.lock(claims.account_id)
            if account is None:
                raise Unauthenticated
            factor = await self._awaiting(work, account.id)
            if not factor.accept(self._step(factor, digits)):
                raise CodeInvalid(left)
            factor.confirmed_at = self.clock.now()
            codes = await self.draw_recovery_codes(work, account.id)
            await work.audit.record(
                Act.TOTP_ENABLED, account.id, session_id=claims.session_id, device=device
            )
            await self.owe.notice(work, DeliveryKind.TOTP_ENABLED, account)
        with suppress(UpstreamUnavailable):  # the count is soon over anyhow
            await self.tries.forget(account.id)
        logger.bind(user_id=str(account.id)).info("Second factor enabled")
        return codes

    def _step(self, factor: TotpFactor, digits: str) -> int | None:
        try:
            return self.totp_codes.step(factor, digits)
        except SecretUnreadable:  # the key was changed since: a new enrolment costs nothing yet
            raise SecondFactorMissing from None

    async def _awaiting(self, work: Work, account_id: UUID) -> TotpFactor:
        factor = await work.factors.of_account(account_id)
        if factor is not None and factor.is_enabled:
            raise SecondFactorInPlace
        if factor is None or not factor.awaits_first_code(self.clock.now()):
            raise SecondFactorMissing
        return factor
