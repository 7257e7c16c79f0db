"""The outbox: jobs are promised in a transaction, taken under a lease, and fenced by its token.

Leases and due times are judged by PostgreSQL's clock alone, so workers whose clocks disagree still
agree on who holds a job.
"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Executable,
    RowMapping,
    Update,
    and_,
    delete,
    func,
    or_,
    select,
    text,
)
from sqlalchemy import update as update_rows
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from db.removal import remove
from db.rows import LIVE_JOB, QUEUED_JOB, RUNNING_JOB, JobRow
from domain.jobs import Job, JobState, Lease, Task
from usecases.ports.transactions import LeaseLost
from usecases.tracing import request_id

CHANNEL = "storyloom_jobs"
"""Where PostgreSQL announces new jobs, with the commit that adds them."""

ANNOUNCE = text(f"SELECT pg_notify('{CHANNEL}', '')")

TABLE = SQLModel.metadata.tables[JobRow.__tablename__]
JOB = TABLE.c
NOW = func.clock_timestamp()
"""The time of the statement, not of its transaction, which may have waited for a lock."""


class SqlJobs:
    """Implements `Jobs` in a session's transaction.

    `added` and `called_off` are what the queue is told once that has committed.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.added: list[Job] = []
        self.called_off: list[UUID] = []

    async def add(
        self,
        task: Task,
        *,
        dedupe_key: str,
        account_id: UUID | None = None,
        run_at: datetime | None = None,
    ) -> Job:
        """Promise a task; while a job of its kind and key waits or runs, that one is returned."""
        promise = (
            insert(TABLE)
            .values(
                id=uuid7(),
                kind=task.kind,
                task=task.model_dump(mode="json"),
                dedupe_key=dedupe_key,
                account_id=account_id,
                request_id=request_id.get(),
                state=JobState.QUEUED,
                attempt=0,
                created_at=func.now(),
                run_at=run_at or func.now(),
            )
            .on_conflict_do_nothing(index_elements=["dedupe_key", "kind"], index_where=LIVE_JOB)
            .returning(TABLE)
        )
        alive = select(TABLE).where(JOB.dedupe_key == dedupe_key, JOB.kind == task.kind, LIVE_JOB)
        while True:
            if job := await self._one(promise):
                await self._session.execute(ANNOUNCE)
                self.added.append(job)
                return job
            # Another job is in the way, unless it came to its end between the two statements.
            if job := await self._one(alive):
                return job

    async def cancel(self, dedupe_key: str) -> None:
        """Cancel the job, waiting or running; its lease is worth nothing from then on."""
        await self._cancel(JOB.dedupe_key == dedupe_key)

    async def _cancel(self, chosen: ColumnElement[bool]) -> None:
        canceled = await self._session.scalars(
            update_rows(TABLE)
            .where(chosen, LIVE_JOB)
            .values(state=JobState.CANCELED, finished_at=NOW, lease_token=None, lease_until=None)
            .returning(JOB.id)
        )
        self.called_off.extend(canceled)

    async def cancel_all(self, account_id: UUID) -> None:
        """Cancel the account's jobs, waiting or running."""
        await self._cancel(JOB.account_id == account_id)

    async def remove_all(self, account_id: UUID) -> None:
        """Remove the account's jobs, whatever has become of them."""
        await self._session.execute(delete(TABLE).where(JOB.account_id == account_id))

    async def remove_finished(self, before: datetime, limit: int) -> int:
        """Remove jobs that were done or cancelled before that moment; tell how many."""
        is_old = and_(JOB.state.in_((JobState.DONE, JobState.CANCELED)), JOB.finished_at < before)
        return await remove(self._session, JobRow, is_old, limit)

    async def _one(self, statement: Executable) -> Job | None:
        row = (await self._session.execute(statement)).mappings().one_or_none()
        return None if row is None else _job(row)


async def hold(session: AsyncSession, lease: Lease) -> None:
    """Lock the job's row until the transaction ends. Raises LeaseLost where the lease is over."""
    held = select(JOB.id).where(_is_held(lease)).with_for_update()
    if await session.scalar(held) is None:
        raise LeaseLost


class SqlJobDesk:
    """Implements `JobDesk`.

    A worker that does not renew its lease within `lease` loses the job. A job that waits though it
    was woken is woken again after `wake_again`.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        lease: timedelta = timedelta(seconds=30),
        wake_again: timedelta = timedelta(seconds=5),
    ) -> None:
        self._engine, self._lease, self._wake_again = engine, lease, wake_again

    async def claim(self, job_id: UUID) -> tuple[Job, Lease] | None:
        """Take a job that is due, or whose worker's lease ran out; None when there is nothing."""
        free = select(JOB.id).where(JOB.id == job_id, _is_free()).with_for_update(skip_locked=True)
        token = uuid4()
        async with self._engine.begin() as connection:
            claimed = await connection.execute(
                update_rows(TABLE)
                .where(JOB.id == free.scalar_subquery())
                .values(
                    state=JobState.RUNNING,
                    attempt=JOB.attempt + 1,
                    lease_token=token,
                    lease_until=NOW + self._lease,
                )
                .returning(TABLE)
            )
            row = claimed.mappings().one_or_none()
        if row is None:
            return None
        lease = Lease(job_id=job_id, token=token, attempt=row.attempt, until=row.lease_until)
        return _job(row), lease

    async def renew(self, lease: Lease) -> Lease:
        """Hold on to it for another while. Raises LeaseLost."""
        until = await self._change(lease, lease_until=NOW + self._lease)
        return lease.model_copy(update={"until": until})

    async def finish(self, lease: Lease) -> None:
        """Record that it is done. Raises LeaseLost."""
        await self._give_up(lease, state=JobState.DONE, finished_at=NOW)

    async def retry(self, lease: Lease, at: datetime, error: str) -> None:
        """Have it tried again at `at`. Raises LeaseLost."""
        await self._give_up(
            lease, state=JobState.QUEUED, run_at=at, woken_at=None, last_error=error
        )

    async def bury(self, lease: Lease, error: str) -> None:
        """Make it a dead letter, not tried again by itself. Raises LeaseLost."""
        await self._give_up(lease, state=JobState.DEAD, finished_at=NOW, last_error=error)

    async def release(self, lease: Lease, *, until: datetime | None = None) -> None:
        """Hand it back untried, for now or for later. Raises LeaseLost."""
        await self._give_up(
            lease,
            state=JobState.QUEUED,
            run_at=until or NOW,
            woken_at=None,
            attempt=JOB.attempt - 1,
        )

    async def due(self, limit: int) -> list[Job]:
        """Return jobs that wait for a worker and were not woken lately, noting that they are now.

        Relays that ask at once get different jobs.
        """
        unwoken = or_(
            JOB.woken_at.is_(None),
            JOB.woken_at < JOB.lease_until,  # that wake-up was for the attempt which is over
            JOB.woken_at < NOW - self._wake_again,
        )
        waiting = (
            select(JOB.id)
            .where(_is_free(), unwoken)
            .order_by(JOB.run_at, JOB.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        async with self._engine.begin() as connection:
            woken = await connection.execute(
                update_rows(TABLE)
                .where(JOB.id.in_(waiting.scalar_subquery()))
                .values(woken_at=NOW)
                .returning(TABLE)
            )
            jobs = [_job(row) for row in woken.mappings()]
        return sorted(jobs, key=lambda job: (job.run_at, job.id))

    async def promised(self) -> AsyncGenerator[None, None]:
        """Yield at once, and again whenever a commit may have made a job due.

        Raises ConnectionError where it cannot listen any more.
        """
        news = asyncio.Event()
        async with self._engine.connect() as connection:
            pooled = await connection.get_raw_connection()
            listener: Any = pooled.driver_connection
            pooled.detach()  # it listens for as long as the worker lives: the pool gets another
            listener.add_termination_listener(lambda *_: news.set())
            await listener.add_listener(CHANNEL, lambda *_: news.set())
            while not listener.is_closed():
                news.clear()
                yield
                await news.wait()
        raise ConnectionError("PostgreSQL closed the connection that listened for jobs")

    async def _give_up(self, lease: Lease, **values: Any) -> None:  # noqa: ANN401 - columns differ
        await self._change(lease, lease_token=None, lease_until=None, **values)

    async def _change(self, lease: Lease, **values: Any) -> datetime | None:  # noqa: ANN401
        change: Update = update_rows(TABLE).where(_is_held(lease)).values(**values)
        async with self._engine.begin() as connection:
            row = (
                await connection.execute(change.returning(JOB.id, JOB.lease_until))
            ).one_or_none()
            if row is None:
                raise LeaseLost
            if values.get("state") is JobState.QUEUED:
                await connection.execute(ANNOUNCE)
            until: datetime | None = row.lease_until
            return until


def _is_free() -> ColumnElement[bool]:
    return or_(and_(QUEUED_JOB, JOB.run_at <= NOW), and_(RUNNING_JOB, JOB.lease_until <= NOW))


def _is_held(lease: Lease) -> ColumnElement[bool]:
    return and_(
        JOB.id == lease.job_id, JOB.lease_token == lease.token, RUNNING_JOB, JOB.lease_until > NOW
    )


def _job(row: RowMapping) -> Job:
    return Job.model_construct(None, **row)
