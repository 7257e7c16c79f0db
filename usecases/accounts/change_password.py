"""Choose another password."""

from dataclasses import dataclass

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.refusals import InputIssue, InvalidInput, Path, WrongCredentials
from domain.sessions import AccessClaims, Device, SessionEnd
from usecases.accounts.password_rules import PasswordRules
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.revocation import Revocation
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import Passwords
from usecases.ports.transactions import Database

CURRENT: Path = ("input", "currentPassword")
NEW: Path = ("input", "newPassword")


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Replaces the password, ends every other session, and tells the owner."""

    reauthenticate: Reauthenticate
    database: Database
    passwords: Passwords
    password_rules: PasswordRules
    revocation: Revocation
    owe: OweMail

    async def __call__(
        self, claims: AccessClaims, *, current: str, new: str, device: Device
    ) -> int:
        """Return how many other sessions it ended. Raises WrongCredentials or InvalidInput."""
        account = await self.reauthenticate(claims, current, device, path=CURRENT)
        if issues := await self._issues(account, new):
            raise InvalidInput(issues)
        digest = await self.passwords.hash(new)
        async with self.database.begin() as work:
            stored = await work.accounts.lock(account.id)
            if stored is None or stored.password_hash != account.password_hash:
                raise WrongCredentials(path=CURRENT)  # changed while we looked
            stored.password_hash = digest
            others = [
                session
                for session in await work.sessions.lock_open(account.id)
                if session.id != claims.session_id
            ]
            ended = await self.revocation.end(work, others, SessionEnd.PASSWORD_CHANGED, device)
            await work.audit.record(
                Act.PASSWORD_CHANGED, account.id, session_id=claims.session_id, device=device
            )
            await self.owe.notice(work, DeliveryKind.PASSWORD_CHANGED, stored)
        await self.revocation.announce(ended)
        logger.bind(user_id=str(account.id), sessions=len(ended)).info("Password changed")
        return len(ended)

    async def _issues(self, account: Account, new: str) -> list[InputIssue]:
        issues = self.password_rules.issues(
            new, email=account.email, name=account.display_name, path=NEW
        )
        if not issues and await self.passwords.verify(new, account.password_hash):
            return [InputIssue(NEW, "password_unchanged", "Must be another than the current one.")]
        return issues
