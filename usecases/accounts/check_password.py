"""Check a password: the one place where that happens."""

from dataclasses import dataclass
from uuid import UUID

from domain.accounts import Account
from domain.audit import Act
from domain.lockouts import Guess
from domain.refusals import Path, WrongCredentials
from domain.sessions import Device
from usecases.ports.limits import Lockout
from usecases.ports.secrets import Passwords
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Counts a guess, checks it, and notes a wrong one.

    It is counted first, so that of a hundred at once only the allowed ones cost a hash. For an
    address without an account as much is done, and as much is written.
    """

    database: Database
    passwords: Passwords
    lockout: Lockout

    async def __call__(
        self,
        password: str,
        guess: Guess,
        account: Account | None,
        device: Device,
        *,
        session_id: UUID | None = None,
        path: Path = (),
    ) -> Account:
        """Return the account whose password it is; the guess still counts until it is lifted.

        Raises WrongCredentials at `path`, AccountLocked or UpstreamUnavailable.
        """
        left = await self.lockout.admit(guess)
        digest = account.password_hash if account else None
        if await self.passwords.verify(password, digest) and account is not None:
            return account
        acts = [Act.LOG_IN_FAILED] if left else [Act.LOG_IN_FAILED, Act.LOCKED_OUT]
        async with self.database.begin() as work:
            for act in acts:
                await work.audit.record(
                    act,
                    account.id if account else None,
                    session_id=session_id,
                    device=device,
                    detail={"method": "password"},
                )
        raise WrongCredentials(path=path)
