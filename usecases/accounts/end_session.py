"""End one of one's sessions."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.refusals import NotFound
from domain.sessions import AccessClaims, Device, SessionEnd
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.revocation import Revocation
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class EndSession:
    """Ends a session of the account, such as that of a lost device; the password is asked again."""

    reauthenticate: Reauthenticate
    database: Database
    revocation: Revocation

    async def __call__(
        self, claims: AccessClaims, session_id: UUID, password: str, device: Device
    ) -> int:
        """Return how many sessions it ended: 0 for one that was over already.

        Raises WrongCredentials, and NotFound for a session that is not the account's.
        """
        await self.reauthenticate(claims, password, device)
        async with self.database.begin() as work:
            session = await work.sessions.lock(session_id)
            if session is None or session.account_id != claims.account_id:
                raise NotFound(path=("input", "sessionId"))
            ended = await self.revocation.end(work, [session], SessionEnd.ENDED_BY_OWNER, device)
        await self.revocation.announce(ended)
        logger.bind(user_id=str(claims.account_id), sessions=len(ended)).info("Sessions ended")
        return len(ended)
