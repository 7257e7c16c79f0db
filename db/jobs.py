"""The outbox: jobs are promised in a transaction, taken under a lease, and fenced by its token."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, case, delete, func, literal, select
from sqlalchemy import update as update_rows
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from uuid_utils.compat import uuid7

from db.removal import remove
from db.rows import LIVE_JOB, RUNNING_JOB, JobRow, raise_taken
from db.turns import TABLE, first_turn, lifted_turn
from domain.jobs import Job, JobState, Lease, Priority, Task
from usecases.ports.transactions import LeaseLost
from usecases.tracing import request_id

JOB = TABLE.c
NOW = func.clock_timestamp()
"""The time of the statement, not of its transaction, which may have waited for a lock.

It is PostgreSQL's: workers whose clocks disagree still agree on who holds a job, and what is due.
"""

FREE: dict[str, Any] = {"lease_token": None, "lease_until": None}
"""What is left of a job that no worker holds."""

WAITS: dict[str, Any] = {
    **FREE,
    "state": JobState.QUEUED,
    "turn": lifted_turn(),
    "woken_at": None,
}
"""What a job becomes that waits for a worker again."""


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
        account_id: UUID | None = None,
        run_at: datetime | None = None,
        key: str | None = None,
        priority: Priority | None = None,
    ) -> Job:
        """Promise a task; while a job of its kind and key waits or runs, that one is returned."""
        kind, key = task.terms.kind, task.key if key is None else key
        promised = promise(task, key, account_id=account_id, run_at=run_at, priority=priority)
        alive = select(TABLE).where(JOB.dedupe_key == key, JOB.kind == kind, LIVE_JOB)
        while True:
            if row := (await self._session.execute(promised)).mappings().one_or_none():
                self.added.append(as_job(row))
                return self.added[-1]
            # Another job is in the way, unless it came to its end between the two statements.
            if row := (await self._session.execute(alive)).mappings().one_or_none():
                return as_job(row)

    async def report(self, lease: Lease, progress: int, total: int) -> None:
        """Note how many steps of the job's work are done. Raises LeaseLost."""
        reported = await self._session.scalar(
            update_rows(TABLE)
            .where(is_held(lease))
            .values(progress=progress, progress_total=total)
            .returning(JOB.id)
        )
        if reported is None:
            raise LeaseLost

    async def revive(self, job_id: UUID) -> Job | None:
        """Queue a dead letter again, with all its tries and as much time for them.

        Raises Taken where another job of its kind and key waits or runs.
        """
        revived = (
            update_rows(TABLE)
            .where(JOB.id == job_id, JOB.state == JobState.DEAD)
            .values(
                **WAITS
                | {
                    "attempt": 0,
                    "run_at": NOW,
                    "deadline": NOW + JOB.budget,
                    "woken_at": NOW,
                    "finished_at": None,
                }
            )
            .returning(TABLE)
        )
        try:
            row = (await self._session.execute(revived)).mappings().one_or_none()
        except IntegrityError as error:
            raise_taken(error)
        if row is None:
            return None
        self.added.append(as_job(row))
        return self.added[-1]

    async def discard(self, job_id: UUID) -> Job | None:
        """Cancel a dead letter; None where there is no such dead letter."""
        discarded = (
            update_rows(TABLE)
            .where(JOB.id == job_id, JOB.state == JobState.DEAD)
            .values(state=JobState.CANCELED, finished_at=NOW)
            .returning(TABLE)
        )
        row = (await self._session.execute(discarded)).mappings().one_or_none()
        return None if row is None else as_job(row)

    async def cancel(self, kind: type[Task], key: str) -> None:
        """Cancel the job, waiting or running; its lease is worth nothing from then on."""
        await self._cancel(and_(JOB.dedupe_key == key, JOB.kind == kind.terms.kind))

    async def cancel_all(self, account_id: UUID) -> None:
        """Cancel the account's jobs, waiting or running."""
        await self._cancel(JOB.account_id == account_id)

    async def _cancel(self, chosen: ColumnElement[bool]) -> None:
        canceled = await self._session.scalars(
            update_rows(TABLE)
            .where(chosen, LIVE_JOB)
            .values(**FREE, state=JobState.CANCELED, finished_at=NOW)
            .returning(JOB.id)
        )
        self.called_off.extend(canceled)

    async def remove_all(self, account_id: UUID) -> None:
        """Remove the account's jobs, whatever has become of them."""
        await self._session.execute(delete(TABLE).where(JOB.account_id == account_id))

    async def remove_finished(self, before: datetime, limit: int) -> int:
        """Remove jobs that were done or cancelled before that moment; tell how many."""
        is_old = and_(JOB.state.in_((JobState.DONE, JobState.CANCELED)), JOB.finished_at < before)
        return await remove(self._session, JobRow, is_old, limit)


def promise(
    task: Task,
    key: str,
    *,
    account_id: UUID | None = None,
    run_at: datetime | None = None,
    priority: Priority | None = None,
    schedule: str | None = None,
    scheduled_for: datetime | None = None,
) -> ReturningInsert[Any]:
    """Return the statement that stores a job, and returns its row unless one is in the way.

    A job that is due counts as woken: whoever commits it wakes a worker.
    """
    terms = task.terms
    priority = terms.priority if priority is None else priority
    due = func.now() if run_at is None else literal(run_at, JOB.run_at.type)
    return (
        insert(TABLE)
        .values(
            id=uuid7(),
            kind=terms.kind,
            version=terms.version,
            task=task.model_dump(mode="json"),
            queue=terms.queue,
            priority=priority,
            turn=first_turn(account_id, terms.queue, priority),
            dedupe_key=key,
            account_id=account_id,
            request_id=request_id.get(),
            schedule=schedule,
            scheduled_for=scheduled_for,
            state=case((due <= func.now(), JobState.QUEUED), else_=JobState.SCHEDULED),
            attempt=0,
            progress=0,
            progress_total=0,
            created_at=func.now(),
            run_at=due,
            budget=terms.retry.budget,
            deadline=due + terms.retry.budget,
            woken_at=case((due <= func.now(), NOW)),
        )
        .on_conflict_do_nothing()
        .returning(TABLE)
    )


async def hold(session: AsyncSession, lease: Lease) -> None:
    """Lock the job's row until the transaction ends. Raises LeaseLost where the lease is over."""
    held = select(JOB.id).where(is_held(lease)).with_for_update()
    if await session.scalar(held) is None:
        raise LeaseLost


def is_held(lease: Lease) -> ColumnElement[bool]:
    """Return whether a job is the lease's, and the lease good."""
    return and_(
        JOB.id == lease.job_id, JOB.lease_token == lease.token, RUNNING_JOB, JOB.lease_until > NOW
    )


def as_job(row: RowMapping) -> Job:
    """Make a job of what was checked when it was stored."""
    return Job.model_construct(None, **row)
