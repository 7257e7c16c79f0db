"""Where workers take jobs and bring them back, one statement and one round trip for each."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from time import monotonic
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Executable,
    Interval,
    RowMapping,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy import Uuid as UuidType
from sqlalchemy import update as update_rows
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from db.clock import SqlClock
from db.jobs import FREE, JOB, NOW, WAITS, as_job, is_held
from db.outages import failing_closed
from db.rows import QUEUED_JOB, RUNNING_JOB, SCHEDULED_JOB
from db.schedules import tick
from db.turns import TABLE
from domain.jobs import Job, JobState, Lease, Queue, Schedule, Terms
from usecases.ports.transactions import LeaseLost

ORDER = JOB.priority, JOB.turn, JOB.id
TIME_LEFT = JOB.deadline.op("-", return_type=Interval())(NOW).label("time_left")

Kinds = tuple[tuple[str, int], ...]
QUEUED_AT_ONCE = 1000
"""How many jobs are queued at once whose time has come, and as many whose worker fell silent."""

# An index finds what is older than a time that stands still, as the clock's does not.
COME = and_(SCHEDULED_JOB, JOB.run_at <= func.statement_timestamp())
SILENT = and_(RUNNING_JOB, JOB.lease_until <= func.statement_timestamp())


class SqlJobDesk:
    """Implements `JobDesk`.

    A worker that does not renew its lease within `lease` loses the job. A job at the head of its
    queue that waits though it was woken is woken again after `wake_again`. Each claim sets `clock`,
    so that whoever does the job knows PostgreSQL's time.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        lease: timedelta = timedelta(seconds=30),
        wake_again: timedelta = timedelta(seconds=1),
        clock: SqlClock | None = None,
    ) -> None:
        self._engine, self._lease, self._wake_again = engine, lease, wake_again
        self._clock = clock
        # A single statement is a transaction by itself: BEGIN and COMMIT would be two more trips.
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def claim(self, queue: Queue, known: Sequence[Terms]) -> tuple[Job, Lease] | None:
        """Take the job of a queue whose turn it is; None when none waits."""
        token, asked = uuid4(), monotonic()
        claimed = await self._rows(
            _claiming(_kinds(known)), {"of_queue": queue, "token": token, "lease": self._lease}
        )
        if not claimed:
            return None
        if self._clock is not None:
            self._clock.set(claimed[0]["lease_until"] - self._lease, asked)
        job = as_job(claimed[0])
        return job, Lease(
            job_id=job.id,
            token=token,
            attempt=job.attempt,
            until=claimed[0]["lease_until"],
            time_left=claimed[0]["time_left"],
        )

    async def renew(self, lease: Lease) -> Lease:
        """Hold on to it for another while. Raises LeaseLost."""
        until = await self._change(lease, lease_until=NOW + self._lease)
        return lease.model_copy(update={"until": until})

    async def finish(self, lease: Lease) -> None:
        """Record that it is done. Raises LeaseLost."""
        await self._end(lease, JobState.DONE)

    async def bury(self, lease: Lease, error: str) -> None:
        """Make it a dead letter, not tried again by itself. Raises LeaseLost."""
        await self._end(lease, JobState.DEAD, last_error=error)

    async def retry(self, lease: Lease, after: timedelta, error: str) -> None:
        """Have it tried again `after` from now. Raises LeaseLost."""
        await self._change(
            lease,
            **FREE,
            state=JobState.SCHEDULED,
            run_at=NOW + after,
            woken_at=None,
            last_error=error,
        )

    async def release(self, lease: Lease) -> None:
        """Hand it back untried, as a worker does that must stop. Raises LeaseLost."""
        await self._change(lease, **WAITS, attempt=JOB.attempt - 1)

    async def due(self, limit: int, known: Sequence[Terms]) -> list[Job]:
        """Queue the jobs whose time has come or whose worker fell silent; tell who must be woken.

        Only who is at the head of a queue is woken again, so a backlog costs nothing. Where there
        is nothing to do, it costs one query.
        """
        kinds, wake_again = _kinds(known), {"wake_again": self._wake_again}
        with failing_closed():
            async with self._single.connect() as connection:
                found = (await connection.execute(_looking(limit, kinds), wake_again)).one()
                if found.come:
                    await connection.execute(COMING)
                elif not found.unwoken:
                    return []
                woken = (await connection.execute(_waking(limit, kinds), wake_again)).mappings()
        jobs = [as_job(row) for row in woken]
        return sorted(jobs, key=lambda job: (job.queue, job.priority, job.turn, job.id))

    async def tick(self, schedules: Sequence[Schedule]) -> list[Job]:
        """Promise the tasks of schedules whose time has come: one job a tick, whoever asks."""
        return await tick(self._engine, self._single, schedules)

    async def _end(self, lease: Lease, state: JobState, **values: Any) -> None:  # noqa: ANN401
        await self._change(lease, **FREE, state=state, finished_at=NOW, **values)

    async def _change(self, lease: Lease, **values: Any) -> datetime | None:  # noqa: ANN401
        changed = await self._rows(
            update_rows(TABLE).where(is_held(lease)).values(**values).returning(JOB.lease_until)
        )
        if not changed:
            raise LeaseLost
        until: datetime | None = changed[0]["lease_until"]
        return until

    async def _rows(
        self, statement: Executable, values: Mapping[str, Any] | None = None
    ) -> Sequence[RowMapping]:
        with failing_closed():
            async with self._single.connect() as connection:
                found = (await connection.execute(statement, values)).mappings().all()
        rows: Sequence[RowMapping] = found
        return rows


# Statements of every moment are made once: to make one takes longer than to run it.


def _kinds(known: Sequence[Terms]) -> Kinds:
    return tuple((terms.kind, terms.version) for terms in known)


@cache
def _claiming(kinds: Kinds) -> Executable:
    next_job = (
        select(JOB.id)
        .where(
            QUEUED_JOB,
            JOB.queue == bindparam("of_queue", type_=JOB.queue.type),
            tuple_(JOB.kind, JOB.version).in_(kinds),
        )
        .order_by(*ORDER)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (
        update_rows(TABLE)
        .where(JOB.id == next_job.scalar_subquery())
        .values(
            state=JobState.RUNNING,
            attempt=JOB.attempt + 1,
            lease_token=bindparam("token", type_=JOB.lease_token.type),
            lease_until=NOW + bindparam("lease", type_=Interval),
        )
        .returning(TABLE, TIME_LEFT)
    )


@cache
def _looking(limit: int, kinds: Kinds) -> Executable:
    return select(
        or_(exists().where(COME), exists().where(SILENT)).label("come"),
        exists(_unwoken(limit, kinds)).label("unwoken"),
    )


@cache
def _waking(limit: int, kinds: Kinds) -> Executable:
    unwoken = _unwoken(limit, kinds).with_for_update(skip_locked=True)
    return (
        update_rows(TABLE)
        .where(JOB.id == func.any(_array(unwoken)))
        .values(woken_at=NOW)
        .returning(TABLE)
    )


def _unwoken(limit: int, kinds: Kinds) -> Select[Any]:
    """Choose the jobs at the heads of the queues that wait, and were woken long ago or never."""
    heads = union_all(
        *(
            select(JOB.id)
            .where(QUEUED_JOB, JOB.queue == queue, tuple_(JOB.kind, JOB.version).in_(kinds))
            .order_by(*ORDER)
            .limit(limit)
            for queue in Queue
        )
    )
    long_ago = NOW - bindparam("wake_again", type_=Interval)
    return select(JOB.id).where(
        JOB.id.in_(heads), QUEUED_JOB, or_(JOB.woken_at.is_(None), JOB.woken_at < long_ago)
    )


def _first(chosen: ColumnElement[bool], order: ColumnElement[Any]) -> Select[Any]:
    """Choose a thousand of them at most, and those that nobody else is at."""
    jobs = select(JOB.id).where(chosen).order_by(order).limit(QUEUED_AT_ONCE)
    return jobs.with_for_update(skip_locked=True)


def _array(chosen: Select[Any]) -> ColumnElement[Any]:
    """Have PostgreSQL choose the rows first, and find each by its key then."""
    return func.array(chosen.scalar_subquery(), type_=ARRAY(UuidType))


COMING = (
    update_rows(TABLE)
    .where(
        JOB.id
        == func.any(
            func.array_cat(
                _array(_first(COME, JOB.run_at)), _array(_first(SILENT, JOB.lease_until))
            )
        )
    )
    .values(**WAITS)
)
