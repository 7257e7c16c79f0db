"""End a session."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.audit import Act
from domain.refusals import Unauthenticated
from domain.sessions import AccessClaims, Device, SessionEnd
from usecases.ports.secrets import RefreshTokens
from usecases.ports.sessions import SessionEnds
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class LogOut:
    """Ends the session of the access token or, without one that is good, of a refresh token.

    When it returns, no token of the session can be used any more. Doing it again does no harm.
    """

    database: Database
    refresh_tokens: RefreshTokens
    session_ends: SessionEnds
    clock: Clock

    async def __call__(
        self,
        claims: AccessClaims | None,
        refresh_token: str | None,
        device: Device | None = None,
    ) -> bool:
        """Return whether there was a live session to end.

        Raises Unauthenticated without any token, and UpstreamUnavailable where the refresh tokens
        are void, but the access token may live on: call it again.
        """
        now = self.clock.now()
        async with self.database.begin() as work:
            session_id = claims.session_id if claims else await self._family(work, refresh_token)
            session = await work.sessions.lock(session_id) if session_id else None
            was_live = session is not None and session.is_live(now)
            if session:
                session.end(now, SessionEnd.LOGGED_OUT)
            if session and was_live:
                await work.audit.record(
                    Act.LOGGED_OUT, session.account_id, session_id=session.id, device=device
                )
        if session:
            await self.session_ends.announce(session.id)
            logger.bind(user_id=str(session.account_id), session_id=str(session.id)).info(
                "Logged out"
            )
        return was_live

    async def _family(self, work: Work, refresh_token: str | None) -> UUID | None:
        if refresh_token is None:
            raise Unauthenticated
        link = await work.sessions.token_with_digest(self.refresh_tokens.digest(refresh_token))
        return link.session_id if link else None
