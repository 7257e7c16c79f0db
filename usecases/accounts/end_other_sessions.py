"""End all of one's sessions but this one."""

from dataclasses import dataclass

from loguru import logger

from domain.sessions import AccessClaims, Device, SessionEnd
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.revocation import Revocation
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class EndOtherSessions:
    """Ends every session of the account except the caller's; the password is asked again."""

    reauthenticate: Reauthenticate
    database: Database
    revocation: Revocation

    async def __call__(self, claims: AccessClaims, password: str, device: Device) -> int:
        """Return how many sessions it ended. Raises WrongCredentials."""
        await self.reauthenticate(claims, password, device)
        async with self.database.begin() as work:
            await work.accounts.lock(claims.account_id)  # so that no log-in slips in between
            others = [
                session
                for session in await work.sessions.lock_open(claims.account_id)
                if session.id != claims.session_id
            ]
            ended = await self.revocation.end(work, others, SessionEnd.ENDED_BY_OWNER, device)
        await self.revocation.announce(ended)
        logger.bind(user_id=str(claims.account_id), sessions=len(ended)).info("Sessions ended")
        return len(ended)
