"""Prove a phone number."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.codes import CodePurpose
from domain.deliveries import DeliveryKind
from domain.refusals import CodeExpired, Unauthenticated
from domain.sessions import AccessClaims, Device
from usecases.accounts.code_answers import checked_code
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import Codes
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class ProvePhone:
    """Uses a code up, and notes the number, in the place of the one before; its owner is told."""

    database: Database
    codes: Codes
    owe: OweMail
    clock: Clock

    async def __call__(
        self, claims: AccessClaims, challenge_id: UUID, *, code: str, device: Device
    ) -> Account:
        """Return the account with its number.

        Raises InvalidInput, CodeInvalid, CodeExpired, CodeAttemptsExceeded, Unauthenticated or
        UpstreamUnavailable. Somebody else's challenge answers like one that is over.
        """
        digits = checked_code(code)
        asked = await self.codes.find(challenge_id, CodePurpose.PHONE)
        if asked.account_id != claims.account_id:
            raise CodeExpired
        challenge = await self.codes.redeem(challenge_id, CodePurpose.PHONE, digits)
        async with self.database.begin() as work:
            account = await work.accounts.lock(claims.account_id)
            if account is None:
                raise Unauthenticated
            account.set_phone(challenge.email, self.clock.now())
            await work.audit.record(
                Act.PHONE_PROVEN, account.id, session_id=claims.session_id, device=device
            )
            await self.owe.notice(work, DeliveryKind.PHONE_PROVEN, account)
        logger.bind(user_id=str(account.id)).info("Phone number proven")
        return account
