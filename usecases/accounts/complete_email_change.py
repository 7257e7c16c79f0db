"""Prove another address."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.codes import CodePurpose
from domain.deliveries import DeliveryKind
from domain.refusals import CodeExpired
from domain.sessions import AccessClaims, Device, Session, SessionEnd
from usecases.accounts.code_answers import checked_code
from usecases.accounts.revocation import Revocation
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import Codes
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class CompleteEmailChange:
    """Uses a code up, gives the account its new address, and tells both addresses.

    Other sessions end: whoever holds one may be why the address was changed.
    """

    database: Database
    codes: Codes
    revocation: Revocation
    owe: OweMail

    async def __call__(
        self, claims: AccessClaims, challenge_id: UUID, *, code: str, device: Device
    ) -> Account:
        """Return the account with its new address.

        Raises InvalidInput, CodeInvalid, CodeExpired, CodeAttemptsExceeded, UpstreamUnavailable.
        A challenge of another account has expired, as has one whose address was taken meanwhile.
        """
        digits, purpose = checked_code(code), CodePurpose.EMAIL_CHANGE
        asked = await self.codes.find(challenge_id, purpose)
        if asked.account_id != claims.account_id:
            raise CodeExpired(path=("input", "challengeId"))
        challenge = await self.codes.redeem(challenge_id, purpose, digits)
        async with self.database.begin() as work:
            account, ended = await self._change(work, claims, challenge.email, device)
        await self.revocation.announce(ended)
        logger.bind(user_id=str(account.id), sessions=len(ended)).info("Address changed")
        return account

    async def _change(
        self, work: Work, claims: AccessClaims, email: str, device: Device
    ) -> tuple[Account, list[Session]]:
        await work.accounts.lock_email(email)
        account = await work.accounts.lock(claims.account_id)
        if account is None or await work.accounts.active_with_email(email):
            raise CodeExpired(path=("input", "challengeId"))
        await self.owe.notice(work, DeliveryKind.EMAIL_CHANGED, account)
        account.email = email
        await self.owe.notice(work, DeliveryKind.EMAIL_CHANGED, account)
        await work.accounts.remove_pending_with_email(email, but=account.id)
        others = [
            session
            for session in await work.sessions.lock_open(account.id)
            if session.id != claims.session_id
        ]
        ended = await self.revocation.end(work, others, SessionEnd.EMAIL_CHANGED, device)
        await work.audit.record(
            Act.EMAIL_CHANGED, account.id, session_id=claims.session_id, device=device
        )
        return account, ended
