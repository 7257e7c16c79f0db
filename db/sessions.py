"""Sessions and their refresh tokens in one transaction."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.rows import RefreshTokenRow, SessionRow, insert
from domain.sessions import RefreshToken, Session


class SqlSessions:
    """Implements `Sessions` in a session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, session: Session) -> Session:
        """Store a new session."""
        return await insert(self._session, SessionRow, session)

    async def add_token(self, token: RefreshToken) -> RefreshToken:
        """Store the next link of a session's chain. Raises Taken for a digest that is there."""
        return await insert(self._session, RefreshTokenRow, token)

    async def get(self, session_id: UUID) -> Session | None:
        """Return the session."""
        return await self._session.get(SessionRow, session_id)

    async def lock(self, session_id: UUID) -> Session | None:
        """Return the session as it is now, and hold it until the transaction ends."""
        return await self._session.scalar(
            select(SessionRow)
            .where(col(SessionRow.id) == session_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    async def token_with_digest(self, digest: bytes) -> RefreshToken | None:
        """Return the token as it is now: after `lock`, nobody else can have used it since."""
        return await self._session.scalar(
            select(RefreshTokenRow)
            .where(col(RefreshTokenRow.digest) == digest)
            .execution_options(populate_existing=True)
        )

    async def token(self, token_id: UUID) -> RefreshToken | None:
        """Return the token."""
        return await self._session.get(RefreshTokenRow, token_id)
