"""Open a session for somebody who has proven who they are."""

from dataclasses import dataclass

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.refusals import AccountSuspended
from domain.sessions import Device, Session, TokenPair
from usecases.accounts.known_devices import KnownDevices
from usecases.accounts.token_pairs import TokenPairs
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Work


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A log-in that worked: who, the session that began, and its first tokens.

    By `device_token` the device is known at its next log-in.
    """

    account: Account
    session: Session
    tokens: TokenPair
    device_token: str


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Adds a session, its first refresh token and the audit entry to the caller's transaction.

    However somebody proved who they are, their session begins here. The account must be locked.
    The tokens are good for nothing until the transaction has committed.
    """

    token_pairs: TokenPairs
    known_devices: KnownDevices
    clock: Clock

    async def __call__(
        self, work: Work, account: Account, device: Device, *, method: str = "password"
    ) -> LoggedIn:
        """Return the session and its tokens; `method` tells the audit trail how it was proven.

        Raises AccountSuspended: only now, so that it is told to nobody but the owner.
        """
        if account.is_suspended:
            logger.bind(user_id=str(account.id)).info("Log-in to a suspended account refused")
            raise AccountSuspended
        now = self.clock.now()
        session = Session(
            account_id=account.id,
            client_address=device.client_address,
            user_agent=device.user_agent,
            created_at=now,
            last_used_at=now,
            authenticated_at=now,
            expires_at=now + self.token_pairs.policy.absolute,
        )
        token, link = self.token_pairs.next_link(session, now)
        await work.sessions.add(session)
        await work.sessions.add_token(link)
        await work.audit.record(
            Act.LOGGED_IN,
            account.id,
            session_id=session.id,
            device=device,
            detail={"method": method},
        )
        return LoggedIn(
            account,
            session,
            await self.token_pairs.pair(session, token, link, now),
            await self.known_devices.welcome(work, account, session, device),
        )
