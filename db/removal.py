"""Removing what nobody needs any more, a little at a time."""

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

ROWS = SQLModel.metadata.tables


async def remove(
    session: AsyncSession, row: type[SQLModel], doomed: ColumnElement[bool], limit: int
) -> int:
    """Remove at most so many rows of those that are doomed, and tell how many there were.

    Rows that another transaction holds are left for the next time.
    """
    table = ROWS[str(row.__tablename__)]
    chosen = select(table.c.id).where(doomed).limit(limit).with_for_update(skip_locked=True)
    removed = await session.scalars(
        delete(table).where(table.c.id.in_(chosen.scalar_subquery())).returning(table.c.id)
    )
    return len(removed.all())
