"""Stories and chapters in one transaction."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.rows import ChapterRow, StoryRow, insert
from domain.stories import Chapter, Story, StoryStatus

UNFINISHED = [status for status in StoryStatus if not status.is_end]


class SqlStories:
    """Implements `Stories` in a session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, story: Story) -> Story:
        """Store a new story. Raises Taken when its account has used the idempotency key."""
        return await insert(self._session, StoryRow, story)

    async def get(self, story_id: UUID) -> Story | None:
        """Return the story."""
        return await self._session.get(StoryRow, story_id)

    async def lock(self, story_id: UUID) -> Story | None:
        """Return the story as it is now, and hold it until the transaction ends."""
        return await self._session.scalar(
            select(StoryRow)
            .where(col(StoryRow.id) == story_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    async def with_idempotency_key(self, account_id: UUID, key: str) -> Story | None:
        """Return the story that the account asked for under this key."""
        return await self._session.scalar(
            select(StoryRow).where(
                col(StoryRow.account_id) == account_id, col(StoryRow.idempotency_key) == key
            )
        )

    async def requests_since(self, account_id: UUID, since: datetime) -> list[datetime]:
        """Return when the account asked for stories that did not fail, oldest first."""
        requested_at = col(StoryRow.requested_at)
        moments = await self._session.scalars(
            select(requested_at)
            .where(
                col(StoryRow.account_id) == account_id,
                requested_at >= since,
                col(StoryRow.status) != StoryStatus.FAILED,
            )
            .order_by(requested_at)
        )
        return list(moments)

    async def count_unfinished(self, account_id: UUID) -> int:
        """Count the account's stories that have not come to their end."""
        return (
            await self._session.scalar(
                select(func.count()).where(
                    col(StoryRow.account_id) == account_id, col(StoryRow.status).in_(UNFINISHED)
                )
            )
            or 0
        )

    async def add_chapter(self, chapter: Chapter) -> Chapter:
        """Store a finished chapter. Raises Taken when one of that number is there."""
        return await insert(self._session, ChapterRow, chapter)

    async def chapters(self, story_id: UUID) -> list[Chapter]:
        """Return the story's chapters by number."""
        rows = await self._session.scalars(
            select(ChapterRow)
            .where(col(ChapterRow.story_id) == story_id)
            .order_by(col(ChapterRow.number))
        )
        return list(rows)
