"""Choose a new password by a code that was mailed."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.audit import Act
from domain.codes import Challenge, CodePurpose
from domain.deliveries import DeliveryKind
from domain.refusals import CodeExpired, Path, UpstreamUnavailable
from domain.sessions import Device, Session, SessionEnd
from usecases.accounts.code_answers import checked_code
from usecases.accounts.password_rules import PasswordRules
from usecases.accounts.revocation import Revocation
from usecases.deliveries.owe import OweMail
from usecases.ports.limits import Lockout
from usecases.ports.secrets import Codes, Passwords
from usecases.ports.transactions import Database, Work

NEW: Path = ("input", "newPassword")


@dataclass(frozen=True, slots=True)
class CompletePasswordReset:
    """Uses a code up, replaces the password, ends all sessions, and tells the owner.

    A password that is not good enough is refused before the code is looked at, so that it costs
    neither the code nor a try. It is held against the address only, which the asker has typed:
    held against the owner's name too, the refusal would tell strangers that there is one.
    """

    database: Database
    codes: Codes
    passwords: Passwords
    password_rules: PasswordRules
    revocation: Revocation
    lockout: Lockout
    owe: OweMail

    async def __call__(
        self, challenge_id: UUID, *, code: str, new_password: str, device: Device
    ) -> int:
        """Return how many sessions it ended.

        Raises InvalidInput, CodeInvalid, CodeExpired, CodeAttemptsExceeded, UpstreamUnavailable.
        """
        purpose = CodePurpose.PASSWORD_RESET
        asked = await self.codes.find(challenge_id, purpose)
        weak = self.password_rules.issues(new_password, email=asked.email, name="", path=NEW)
        digits = checked_code(code, also=weak)
        challenge = await self.codes.redeem(challenge_id, purpose, digits)
        digest = await self.passwords.hash(new_password)
        async with self.database.begin() as work:
            ended = await self._replace(work, challenge, digest, device)
        await self.revocation.announce(ended)
        await self._unlock(challenge.email)
        logger.bind(user_id=str(challenge.account_id), sessions=len(ended)).info("Password reset")
        return len(ended)

    async def _unlock(self, email: str) -> None:
        """Let the owner in at once: whoever was locked out guessed at the old password."""
        try:
            await self.lockout.lift_all(email)
        except UpstreamUnavailable:
            logger.warning("A lockout could not be lifted: it ends by itself")

    async def _replace(
        self, work: Work, challenge: Challenge, digest: str, device: Device
    ) -> list[Session]:
        account_id = challenge.account_id
        account = await work.accounts.lock(account_id) if account_id else None
        if account is None or not account.is_active or account.email != challenge.email:
            raise CodeExpired  # the address is not the account's any more
        account.password_hash = digest
        # Whoever had the old password may be on one of them: all have to show themselves anew.
        await work.devices.remove_all(account.id)
        every = await work.sessions.lock_open(account.id)
        ended = await self.revocation.end(work, every, SessionEnd.PASSWORD_RESET, device)
        await work.audit.record(Act.PASSWORD_RESET, account.id, device=device)
        await self.owe.notice(work, DeliveryKind.PASSWORD_CHANGED, account)
        return ended
