"""Tell whether somebody may administer: the one place where that is decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from uuid import UUID

from loguru import logger

from domain.accounts import Account, Role
from domain.audit import Act
from domain.refusals import Forbidden, ReauthenticationRequired, Unauthenticated
from domain.sessions import AccessClaims, Device, Session
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work

Networks = Sequence[IPv4Network | IPv6Network]

UNTOLD = Device(client_address="", user_agent="")
"""What an account's trail tells of an admin's device: nothing, as its owner reads it."""


@dataclass(frozen=True, slots=True)
class Admin:
    """Somebody who may administer, now."""

    account_id: UUID
    session_id: UUID
    device: Device

    async def record(self, work: Work, act: Act, account_id: UUID | None, **detail: str) -> None:
        """Record what the admin does, in their own trail and in that of the account acted on.

        `detail` stands in the account's trail alone, and is forgotten with it. Without an account
        it stands in the admin's.
        """
        about = detail if account_id is None else {"account": str(account_id)}
        await work.audit.record(
            Act.ADMINISTERED,
            self.account_id,
            session_id=self.session_id,
            device=self.device,
            detail={"act": act.value, **about},
        )
        if account_id is not None:
            await work.audit.record(
                act, account_id, device=UNTOLD, detail={"admin": str(self.account_id), **detail}
            )


@dataclass(frozen=True, slots=True)
class AuthorizeAdmin:
    """Asks for the role, an allowed address, and a recent proof of who somebody is.

    All of it is read from the database when it is asked for, never from the token: who loses the
    role can do nothing more. Without `networks` any address is allowed.
    """

    database: Database
    clock: Clock
    freshness: timedelta
    networks: Networks = ()

    async def __call__(self, claims: AccessClaims, device: Device) -> Admin:
        """Return who administers.

        Raises Unauthenticated, Forbidden or ReauthenticationRequired.
        """
        async with self.database.begin() as work:
            return await self.within(work, claims, device)

    async def within(self, work: Work, claims: AccessClaims, device: Device) -> Admin:
        """Do the same in the transaction of the act: call it first of all."""
        account = await work.accounts.get(claims.account_id)
        session = await work.sessions.get(claims.session_id)
        if not (account and session and self._is_good(account, session)):
            raise Unauthenticated
        log = logger.bind(user_id=str(account.id), session_id=str(session.id))
        if account.role is not Role.ADMIN:
            log.warning("Administration refused: the role is lacking")
            raise Forbidden
        # The same answer as without the role: an address tells nobody whether a token is worth it.
        if not is_within(device.client_address, self.networks):
            log.warning("Administration refused: the address is not allowed")
            raise Forbidden
        if not session.is_fresh(self.clock.now(), self.freshness):
            log.info("Administration refused: the log-in is too long ago")
            raise ReauthenticationRequired
        return Admin(account.id, session.id, device)

    def _is_good(self, account: Account, session: Session) -> bool:
        return (
            session.account_id == account.id
            and session.is_live(self.clock.now())
            and account.is_active
            and not account.is_suspended
        )


def is_within(client_address: str, networks: Networks) -> bool:
    """Whether an address is in one of the networks, or there are none; what is none is nowhere."""
    if not networks:
        return True
    try:
        address = ip_address(client_address)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
