"""Begin a session."""

from dataclasses import dataclass
from datetime import datetime

from loguru import logger

from domain.accounts import Account
from domain.codes import Challenge, CodePurpose
from domain.entity import Value
from domain.refusals import EmailUnverified, WrongCredentials
from domain.sessions import Device, Session, TokenPair
from usecases.accounts.addresses import Address
from usecases.accounts.token_pairs import TokenPairs
from usecases.deliveries.owe import OweMail
from usecases.ports import Clock, Codes, Database, Passwords
from usecases.validation import checked


class Credentials(Value):
    """Who somebody says they are."""

    email: Address


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A log-in that worked."""

    account: Account
    tokens: TokenPair


@dataclass(frozen=True, slots=True)
class LogIn:
    """Checks a password, once, whether or not the address is known: the answer takes as long."""

    database: Database
    codes: Codes
    passwords: Passwords
    token_pairs: TokenPairs
    owe: OweMail
    clock: Clock

    async def __call__(self, *, email: str, password: str, device: Device) -> LoggedIn:
        """Return the account and its first tokens.

        Raises InvalidInput, WrongCredentials, EmailUnverified, RateLimited, UpstreamUnavailable.
        """
        credentials = checked(Credentials, {"email": email})
        account = await self._claimed(credentials.email)
        digest = account.password_hash if account else None
        if not await self.passwords.verify(password, digest) or account is None:
            raise WrongCredentials
        if not account.is_active:
            challenge = await self._challenge(account)
            raise EmailUnverified(challenge.id, challenge.resend_at)
        return await self._begin(account, password, device)

    async def _claimed(self, email: str) -> Account | None:
        async with self.database.begin() as work:
            owner = await work.accounts.active_with_email(email)
            # Asked in any case, so that it takes as long.
            claimant = await work.accounts.latest_pending_with_email(email)
        return owner or claimant

    async def _challenge(self, account: Account) -> Challenge:
        """Return the challenge that is open, or else a new one, with a code on its way."""
        challenge = await self.codes.current(CodePurpose.SIGN_UP, account.id)
        if challenge is None:
            challenge = await self.codes.open(CodePurpose.SIGN_UP, account.email, account.id)
            async with self.database.begin() as work:
                await work.accounts.lock_email(account.email)  # so that it is not removed now
                if await work.accounts.get(account.id):
                    await self.owe.sign_up_code(work, challenge, account)
        return challenge

    async def _begin(self, account: Account, password: str, device: Device) -> LoggedIn:
        better_hash = (
            await self.passwords.hash(password)
            if self.passwords.is_outdated(account.password_hash)
            else None
        )
        now = self.clock.now()
        session = self._session(account, device, now)
        token, link = self.token_pairs.next_link(session, now)
        async with self.database.begin() as work:
            stored = await work.accounts.get(account.id)
            if stored is None or stored.password_hash != account.password_hash:
                raise WrongCredentials  # changed while we looked: the password is the old one
            if better_hash:
                stored.password_hash = better_hash
            await work.sessions.add(session)
            await work.sessions.add_token(link)
        logger.bind(user_id=str(account.id), session_id=str(session.id)).info("Logged in")
        return LoggedIn(stored, self.token_pairs.pair(session, token, link, now))

    def _session(self, account: Account, device: Device, now: datetime) -> Session:
        return Session(
            account_id=account.id,
            client_address=device.client_address,
            user_agent=device.user_agent,
            created_at=now,
            last_used_at=now,
            expires_at=now + self.token_pairs.policy.absolute,
        )
