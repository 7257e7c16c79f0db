"""Sessions and their refresh tokens in one transaction."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.removal import remove
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

    async def lock_open(self, account_id: UUID) -> list[Session]:
        """Return the account's sessions that were not ended, and hold them, in a fixed order."""
        found = await self._session.scalars(
            select(SessionRow)
            .where(col(SessionRow.account_id) == account_id, col(SessionRow.ended_at).is_(None))
            .order_by(col(SessionRow.id))
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return list(found)

    async def has_others(self, account_id: UUID, *, but: UUID) -> bool:
        """Whether the account has, or had, sessions but this one."""
        others = select(col(SessionRow.id)).where(
            col(SessionRow.account_id) == account_id, col(SessionRow.id) != but
        )
        return await self._session.scalar(others.limit(1)) is not None

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

    async def remove_over(self, before: datetime, idle: timedelta, limit: int) -> int:
        """Remove sessions whose end was before that moment, and their tokens; tell how many."""
        is_over = or_(
            col(SessionRow.ended_at) < before,
            col(SessionRow.expires_at) < before,
            col(SessionRow.last_used_at) < before - idle,
        )
        return await remove(self._session, SessionRow, is_over, limit)

    async def remove_expired_tokens(self, before: datetime, limit: int) -> int:
        """Remove refresh tokens that expired before that moment, and tell how many there were."""
        return await remove(
            self._session, RefreshTokenRow, col(RefreshTokenRow.expires_at) < before, limit
        )
