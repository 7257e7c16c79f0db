"""Prove an address."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.codes import CodePurpose
from domain.refusals import CodeExpired
from domain.sessions import Device
from usecases.accounts.code_answers import checked_code
from usecases.ports.secrets import Codes
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class VerifyOtp:
    """Uses a code up, and makes the account that asked for it the one that owns the address.

    Other accounts that claimed the address are removed, so whoever planted a password on it before
    its owner came has gained nothing.
    """

    database: Database
    codes: Codes
    clock: Clock

    async def __call__(
        self, challenge_id: UUID, code: str, device: Device | None = None
    ) -> Account:
        """Return the account, active.

        Raises InvalidInput, CodeInvalid, CodeExpired, CodeAttemptsExceeded, UpstreamUnavailable.
        """
        digits = checked_code(code)
        challenge = await self.codes.redeem(challenge_id, CodePurpose.SIGN_UP, digits)
        async with self.database.begin() as work:
            account = await self._activate(work, challenge.email, challenge.account_id)
            await work.audit.record(Act.ADDRESS_PROVEN, account.id, device=device)
        logger.bind(user_id=str(account.id)).info("Address proven")
        return account

    async def _activate(self, work: Work, email: str, account_id: UUID | None) -> Account:
        await work.accounts.lock_email(email)
        account = await work.accounts.get(account_id) if account_id else None
        if account is None or await work.accounts.active_with_email(email):
            raise CodeExpired
        account.activate(self.clock.now())
        await work.accounts.remove_pending_with_email(email, but=account.id)
        return account
