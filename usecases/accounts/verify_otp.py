"""Prove an address."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from loguru import logger
from pydantic import AfterValidator

from domain.accounts import Account
from domain.codes import CodePurpose
from domain.entity import Value
from domain.refusals import CodeExpired
from usecases.ports import Clock, Codes, Database, Work
from usecases.validation import checked


def _digits(text: str) -> str:
    digits = "".join(text.split())
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError("must be the digits that were mailed")
    return digits


class Answer(Value):
    """What somebody read in their mail; spaces between the digits do no harm."""

    code: Annotated[str, AfterValidator(_digits)]


@dataclass(frozen=True, slots=True)
class VerifyOtp:
    """Uses a code up, and makes the account that asked for it the one that owns the address.

    Other accounts that claimed the address are removed, so whoever planted a password on it before
    its owner came has gained nothing.
    """

    database: Database
    codes: Codes
    clock: Clock

    async def __call__(self, challenge_id: UUID, code: str) -> Account:
        """Return the account, active.

        Raises InvalidInput, CodeInvalid, CodeExpired, CodeAttemptsExceeded, UpstreamUnavailable.
        """
        answer = checked(Answer, {"code": code[:40]})
        challenge = await self.codes.redeem(challenge_id, CodePurpose.SIGN_UP, answer.code)
        async with self.database.begin() as work:
            account = await self._activate(work, challenge.email, challenge.account_id)
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
