"""Schedules: one job for each tick, whoever asks and however often."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy import update as update_rows
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import SQLModel

from db.jobs import NOW, as_job, promise
from db.rows import ScheduleRow
from domain.jobs import Job, Schedule

TABLE = SQLModel.metadata.tables[ScheduleRow.__tablename__]
SCHEDULE = TABLE.c

CLOCK = select(NOW.label("now")).subquery("clock")
EXPECTED = select(CLOCK.c.now, SCHEDULE.name, SCHEDULE.next_at).select_from(
    CLOCK.outerjoin(TABLE, SCHEDULE.name.in_(bindparam("names", expanding=True)))
)


async def tick(
    engine: AsyncEngine, single: AsyncEngine, schedules: Sequence[Schedule]
) -> list[Job]:
    """Promise the tasks of schedules whose time has come by PostgreSQL's clock.

    Where nothing is due, that costs one query; `single` runs statements without transactions.
    """
    async with single.connect() as connection:
        now, expected = await _expected(connection, [schedule.name for schedule in schedules])
        for schedule in schedules:
            if expected.get(schedule.name, LATER) > schedule.next_after(now):
                await _expect(connection, schedule, now)
    jobs = []
    for schedule in schedules:
        if expected.get(schedule.name, LATER) <= now:
            jobs += await _make_good(engine, schedule)
    return jobs


LATER = datetime.fromisoformat("9999-01-01T00:00:00+00:00")
"""When a schedule is due that was never seen."""


async def _expected(
    connection: AsyncConnection, names: Sequence[str]
) -> tuple[datetime, dict[str, datetime]]:
    """Return PostgreSQL's time, and when the schedules are due that it knows."""
    rows = (await connection.execute(EXPECTED, {"names": names})).all()
    return rows[0].now, {row.name: row.next_at for row in rows if row.name is not None}


async def _expect(connection: AsyncConnection, schedule: Schedule, now: datetime) -> None:
    """Note when a schedule is due that is new, or that has become more frequent."""
    next_at = schedule.next_after(now)
    await connection.execute(
        insert(TABLE)
        .values(name=schedule.name, next_at=next_at)
        .on_conflict_do_update(
            index_elements=["name"], set_={"next_at": next_at}, where=SCHEDULE.next_at > next_at
        )
    )


async def _make_good(engine: AsyncEngine, schedule: Schedule) -> list[Job]:
    """Promise the job of the last tick that has passed, unless somebody else does."""
    mine = (
        select(NOW)
        .select_from(TABLE)
        .where(SCHEDULE.name == schedule.name, SCHEDULE.next_at <= NOW)
        .with_for_update(skip_locked=True)
    )
    async with engine.begin() as connection:
        now = (await connection.execute(mine)).scalar_one_or_none()
        if now is None:
            return []
        next_at = schedule.next_after(now)
        passed = next_at - schedule.every
        await connection.execute(
            update_rows(TABLE).where(SCHEDULE.name == schedule.name).values(next_at=next_at)
        )
        promised = await connection.execute(
            promise(
                schedule.task,
                f"{schedule.name}@{passed.isoformat()}",
                schedule=schedule.name,
                scheduled_for=passed,
            )
        )
        return [as_job(row) for row in promised.mappings()]
