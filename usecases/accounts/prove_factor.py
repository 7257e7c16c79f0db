"""Check a second factor: the one place where that happens."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, TypeVar
from uuid import UUID

from loguru import logger
from pydantic import AfterValidator

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.entity import Value
from domain.refusals import (
    CodeInvalid,
    Path,
    RecoveryCodeInvalid,
    Refusal,
    SecondFactorMissing,
    SecondFactorUnreadable,
    UpstreamUnavailable,
)
from domain.second_factors import TotpFactor
from domain.sessions import Device
from usecases.deliveries.owe import OweMail
from usecases.ports.factors import FactorTries, RecoveryCodes, SecretUnreadable, TotpCodes
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work
from usecases.validation import checked

T = TypeVar("T")

PROOF: Path = ("input", "proof")
"""Where the proof stands in the input of most mutations that ask for one."""

DIGITS = 6
LONGEST = 40
"""More characters than any code has, with all the spaces that people put between its digits."""


@dataclass(frozen=True, slots=True)
class FactorProof:
    """What somebody shows: a code of their authenticator app or else a recovery code, as typed.

    `path` is where it stands in the input.
    """

    code: str | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)
    path: Path = PROOF


def _digits(text: str) -> str:
    digits = "".join(text.split())
    if not (digits.isascii() and digits.isdecimal() and len(digits) == DIGITS):
        raise ValueError(f"must be the {DIGITS} digits that the app shows")
    return digits


class AppCode(Value):
    """A code of an authenticator app; spaces between the digits do no harm."""

    code: Annotated[str, AfterValidator(_digits)]


def checked_app_code(code: str, *, prefix: Path) -> str:
    """Return the digits. Raises InvalidInput for what no app ever shows."""
    return checked(AppCode, {"code": code[:LONGEST]}, prefix=prefix).code


@dataclass(frozen=True, slots=True)
class ProveFactor:
    """Uses a code up, and does what it was shown for, in one transaction.

    A try is counted before its code is looked at, so that of a hundred at once only the allowed
    ones are. Recovery codes are not counted: nobody guesses 120 bits, and whoever has the password
    must not be able to keep the owner out by using all tries up.
    """

    database: Database
    totp_codes: TotpCodes
    recovery_codes: RecoveryCodes
    tries: FactorTries
    owe: OweMail
    clock: Clock

    async def __call__(
        self,
        account_id: UUID,
        proof: FactorProof,
        device: Device,
        then: Callable[[Work, Account], Awaitable[T]],
        *,
        tries_left: int | None = None,
    ) -> T:
        """Return what `then` does with the account, which is locked and has proven its factor.

        `tries_left` is a second limit, of whoever calls. What `then` refuses uses no code up.
        Raises InvalidInput, CodeInvalid, RecoveryCodeInvalid, SecondFactorLocked,
        SecondFactorMissing, SecondFactorUnreadable or UpstreamUnavailable.
        """
        proof = self._checked(proof)
        left = await self.tries.take(account_id) if proof.code is not None else None
        async with self.database.begin() as work:
            account, factor = await self._enabled(work, account_id)
            refusal = await self._use_up(work, factor, proof, left, tries_left)
            if refusal is None:
                if proof.recovery_code is not None:
                    await self._note_recovery(work, account, device)
                answer = await then(work, account)
            else:
                await self._note_failure(work, account, proof, device, left)
        if refusal is not None:
            # What was noted of it is committed by now: the refusal cannot roll it back.
            raise refusal
        if left is not None:
            with suppress(UpstreamUnavailable):  # the count is soon over anyhow
                await self.tries.forget(account_id)
        return answer

    def _checked(self, proof: FactorProof) -> FactorProof:
        if proof.code is None:
            return proof
        return FactorProof(code=checked_app_code(proof.code, prefix=proof.path), path=proof.path)

    async def _enabled(self, work: Work, account_id: UUID) -> tuple[Account, TotpFactor]:
        account = await work.accounts.lock(account_id)
        factor = await work.factors.of_account(account_id) if account else None
        if account is None or factor is None or not factor.is_enabled:
            raise SecondFactorMissing
        return account, factor

    async def _use_up(
        self,
        work: Work,
        factor: TotpFactor,
        proof: FactorProof,
        left: int | None,
        tries_left: int | None,
    ) -> Refusal | None:
        """Use the code up, or return why it cannot be."""
        if proof.code is not None:
            if factor.accept(self._step(factor, proof.code)):
                factor.sealed_secret = self.totp_codes.renewed(factor)
                return None
            limits = [limit for limit in (left, tries_left) if limit is not None]
            return CodeInvalid(min(limits), path=(*proof.path, "code"))
        digest = self.recovery_codes.digest(factor.account_id, proof.recovery_code or "")
        known = await work.factors.recovery_code(factor.account_id, digest)
        if known is None or known.used_at is not None:
            return RecoveryCodeInvalid(path=(*proof.path, "recoveryCode"))
        known.used_at = self.clock.now()
        return None

    def _step(self, factor: TotpFactor, code: str) -> int | None:
        try:
            return self.totp_codes.step(factor, code)
        except SecretUnreadable:
            # Nobody guessed: nothing is noted against the account, but an operator must know.
            logger.bind(user_id=str(factor.account_id)).error(
                "No key opens the secret of an authenticator app: is FACTOR_KEY_PREVIOUS complete?"
            )
            raise SecondFactorUnreadable from None

    async def _note_recovery(self, work: Work, account: Account, device: Device) -> None:
        await work.audit.record(Act.RECOVERY_CODE_USED, account.id, device=device)
        await self.owe.notice(work, DeliveryKind.RECOVERY_CODE_USED, account)

    async def _note_failure(
        self, work: Work, account: Account, proof: FactorProof, device: Device, left: int | None
    ) -> None:
        method = "totp" if proof.recovery_code is None else "recovery_code"
        acts = [Act.LOG_IN_FAILED]
        if left == 0:
            acts.append(Act.LOCKED_OUT)
            # Whoever gets so far has the password: its owner should know, once for each lock.
            await self.owe.notice(work, DeliveryKind.SECOND_FACTOR_LOCKED, account)
        for act in acts:
            await work.audit.record(act, account.id, device=device, detail={"method": method})
        logger.bind(user_id=str(account.id), method=method).info("Second factor refused")
