"""Fair order: the jobs of a queue go by turns, and every account has one job a turn.

It is start-time fair queueing, where each job costs one. The floor is the lowest turn that waits:
it never falls while somebody waits, since jobs that come back are lifted up to it. An account's
first job starts at the floor, and each further one a turn later. So when an account that has none
promises a job, one job at most of each other account goes before it, however many wait, apart from
those that come back after they were tried. Jobs of no account take turns as one account's do.

Turns are counted within a queue's jobs of one priority: those of another go first or last anyway.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select
from sqlmodel import SQLModel

from db.rows import LIVE_JOB, QUEUED_JOB, RUNNING_JOB, JobRow
from domain.jobs import Priority, Queue

TABLE = SQLModel.metadata.tables[JobRow.__tablename__]
OTHERS = TABLE.alias("others")


def first_turn(account_id: UUID | None, queue: Queue, priority: Priority) -> ColumnElement[int]:
    """Return the turn of a job that is promised now, in the same words with and without account."""
    account = literal(account_id, OTHERS.c.account_id.type)
    there = OTHERS.c.queue == queue, OTHERS.c.priority == priority, LIVE_JOB
    last = select(func.max(OTHERS.c.turn)).where(OTHERS.c.account_id == account, *there)
    last_of_nobody = select(func.max(OTHERS.c.turn)).where(
        OTHERS.c.account_id.is_(None), account.is_(None), *there
    )
    return func.greatest(
        last.scalar_subquery() + 1, last_of_nobody.scalar_subquery() + 1, _floor(queue, priority)
    )


def lifted_turn() -> ColumnElement[int]:
    """Return the turn of a job that waits again: its own, or the floor where that has risen."""
    return func.greatest(TABLE.c.turn, _floor(TABLE.c.queue, TABLE.c.priority))


def _floor(queue: Any, priority: Any) -> ColumnElement[int]:  # noqa: ANN401 - values or columns
    """Return the lowest turn that waits; where none does, the highest that runs, or 0."""
    there = OTHERS.c.queue == queue, OTHERS.c.priority == priority
    waiting = select(func.min(OTHERS.c.turn)).where(*there, QUEUED_JOB)
    running = select(func.max(OTHERS.c.turn)).where(*there, RUNNING_JOB)
    return func.coalesce(waiting.scalar_subquery(), running.scalar_subquery(), 0)
