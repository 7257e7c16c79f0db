"""Tell whose access token this is."""

from dataclasses import dataclass

from domain.refusals import Unauthenticated
from domain.sessions import AccessClaims
from usecases.ports.reads import Reads
from usecases.ports.secrets import AccessTokens
from usecases.ports.sessions import SessionEnds
from usecases.ports.time_and_chance import Clock


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Checks an access token, and that its session has not ended since it was given."""

    access_tokens: AccessTokens
    session_ends: SessionEnds
    reads: Reads
    clock: Clock

    async def __call__(self, token: str) -> AccessClaims:
        """Return what it says. Raises TokenExpired, Unauthenticated or UpstreamUnavailable."""
        claims = await self.access_tokens.read(token)
        ended = await self.session_ends.has_ended(claims.session_id)
        if ended is None:
            session = await self.reads.session(claims.session_id)
            ended = session is None or not session.is_live(self.clock.now())
        if ended:
            raise Unauthenticated
        return claims
