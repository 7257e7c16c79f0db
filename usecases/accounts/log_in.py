"""Begin a session."""

from contextlib import suppress
from dataclasses import dataclass

from loguru import logger

from domain.accounts import Account
from domain.codes import Challenge, CodePurpose
from domain.entity import Value
from domain.lockouts import Guess
from domain.refusals import (
    EmailUnverified,
    SecondFactorRequired,
    UpstreamUnavailable,
    WrongCredentials,
)
from domain.second_factors import LogInTicket
from domain.sessions import Device
from usecases.accounts.addresses import Address
from usecases.accounts.check_password import CheckPassword
from usecases.accounts.known_devices import KnownDevices
from usecases.accounts.open_session import LoggedIn, OpenSession
from usecases.deliveries.owe import OweMail
from usecases.ports.factors import LogInTickets
from usecases.ports.limits import Lockout
from usecases.ports.secrets import Codes, Passwords
from usecases.ports.transactions import Database
from usecases.validation import checked


class Credentials(Value):
    """Who somebody says they are."""

    email: Address


@dataclass(frozen=True, slots=True)
class LogIn:
    """Checks a password, once, whether or not the address is known: the answer takes as long."""

    database: Database
    codes: Codes
    passwords: Passwords
    check_password: CheckPassword
    lockout: Lockout
    known_devices: KnownDevices
    tickets: LogInTickets
    open_session: OpenSession
    owe: OweMail

    async def __call__(self, *, email: str, password: str, device: Device) -> LoggedIn:
        """Return the account and its first tokens.

        Raises InvalidInput, WrongCredentials, AccountLocked, EmailUnverified, RateLimited,
        SecondFactorRequired, AccountSuspended, UpstreamUnavailable.
        """
        credentials = checked(Credentials, {"email": email})
        claimed, guess = await self._claimed(credentials.email, device)
        account = await self.check_password(password, guess, claimed, device)
        with suppress(UpstreamUnavailable):  # what was counted is soon forgotten anyhow
            await self.lockout.lift(guess)
        if not account.is_active:
            challenge = await self._challenge(account)
            raise EmailUnverified(challenge.id, challenge.resend_at)
        begun = await self._begin(account, password, device)
        if isinstance(begun, LogInTicket):
            raise SecondFactorRequired(*await self.tickets.issue(begun))
        return begun

    async def _claimed(self, email: str, device: Device) -> tuple[Account | None, Guess]:
        """Return whose password it may be, and what a guess at it counts for."""
        async with self.database.begin() as work:
            owner = await work.accounts.active_with_email(email)
            # Asked in any case, so that it takes as long.
            claimant = await work.accounts.latest_pending_with_email(email)
            account = owner or claimant
            guess = await self.known_devices.guess(
                work, email, account.id if account else None, device
            )
        return account, guess

    async def _challenge(self, account: Account) -> Challenge:
        """Return the challenge that is open, or else a new one, with a code on its way."""
        challenge = await self.codes.current(CodePurpose.SIGN_UP, account.id)
        if challenge is None:
            challenge = await self.codes.open(CodePurpose.SIGN_UP, account.email, account.id)
            async with self.database.begin() as work:
                await work.accounts.lock_email(account.email)  # so that it is not removed now
                if await work.accounts.get(account.id):
                    await self.owe.code(work, challenge, account)
        return challenge

    async def _begin(
        self, account: Account, password: str, device: Device
    ) -> LoggedIn | LogInTicket:
        """Return the session, or the ticket of one that still owes its second factor."""
        better_hash = (
            await self.passwords.hash(password)
            if self.passwords.is_outdated(account.password_hash)
            else None
        )
        async with self.database.begin() as work:
            # Held, so that a new password ends this session too, or stops it here.
            stored = await work.accounts.lock(account.id)
            if stored is None or stored.password_hash != account.password_hash:
                raise WrongCredentials  # changed while we looked: the password is the old one
            if better_hash:
                stored.password_hash = better_hash
            factor = await work.factors.of_account(stored.id)
            if factor is not None and factor.is_enabled:
                return LogInTicket.of(stored)
            logged_in = await self.open_session(work, stored, device)
        logger.bind(user_id=str(account.id), session_id=str(logged_in.session.id)).info("Logged in")
        return logged_in
