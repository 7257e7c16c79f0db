"""What a client gets to hold: an access token, and a refresh token to carry the session on."""

from dataclasses import dataclass
from datetime import datetime

from domain.sessions import AccessClaims, RefreshToken, Session, SessionPolicy, TokenPair
from usecases.ports.secrets import AccessTokens, RefreshTokens


@dataclass(frozen=True, slots=True)
class TokenPairs:
    """Makes token pairs for sessions. No token outlives its session's absolute end."""

    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    policy: SessionPolicy

    def next_link(self, session: Session, now: datetime) -> tuple[str, RefreshToken]:
        """Draw a refresh token; return it with the link of the chain that stands for it."""
        token = self.refresh_tokens.draw()
        return token, RefreshToken(
            session_id=session.id,
            digest=self.refresh_tokens.digest(token),
            issued_at=now,
            expires_at=min(now + self.policy.idle, session.expires_at),
        )

    async def pair(
        self, session: Session, token: str, link: RefreshToken, now: datetime
    ) -> TokenPair:
        """Pair a refresh token with a new access token. Raises UpstreamUnavailable."""
        claims = AccessClaims(
            account_id=session.account_id,
            session_id=session.id,
            # A token tells whole seconds (RFC 7519): what we say and what it says are the same.
            expires_at=min(now + self.policy.access, session.expires_at).replace(microsecond=0),
        )
        return TokenPair(
            access_token=await self.access_tokens.sign(claims),
            access_expires_at=claims.expires_at,
            refresh_token=token,
            refresh_expires_at=link.expires_at,
        )
