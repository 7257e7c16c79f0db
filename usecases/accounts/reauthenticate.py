"""Ask a signed-in account for its password again, before a sensitive act."""

from contextlib import suppress
from dataclasses import dataclass

from domain.accounts import Account
from domain.lockouts import Guess
from domain.refusals import Path, Unauthenticated, UpstreamUnavailable
from domain.sessions import AccessClaims, Device
from usecases.accounts.check_password import CheckPassword
from usecases.ports.limits import Lockout
from usecases.ports.transactions import Database

PASSWORD: Path = ("input", "password")
"""Where the password stands in the input of most mutations that ask for it again."""


@dataclass(frozen=True, slots=True)
class Reauthenticate:
    """Checks the password of whoever bears an access token: a stolen token alone is not enough."""

    database: Database
    check_password: CheckPassword
    lockout: Lockout

    async def __call__(
        self, claims: AccessClaims, password: str, device: Device, *, path: Path = PASSWORD
    ) -> Account:
        """Return the account as it was when its password was checked.

        Wrong ones count for the session, so that nobody else can lock its owner out. Raises
        WrongCredentials at `path`, AccountLocked, UpstreamUnavailable, and Unauthenticated where
        the account is gone.
        """
        async with self.database.begin() as work:
            account = await work.accounts.get(claims.account_id)
        if account is None:
            raise Unauthenticated
        guess = Guess(
            email=account.email, client_address=device.client_address, device=claims.session_id
        )
        account = await self.check_password(
            password, guess, account, device, session_id=claims.session_id, path=path
        )
        with suppress(UpstreamUnavailable):  # what was counted is soon forgotten anyhow
            await self.lockout.lift(guess)
        return account
