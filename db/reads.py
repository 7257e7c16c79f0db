"""Queries without rules: one statement and one pool checkout each, no session, no identity map."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import RowMapping, Select, asc, cast, desc, func, or_, select, tuple_
from sqlalchemy import Uuid as UuidType
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

from db.job_desk import ORDER
from db.jobs import JOB, as_job
from db.outages import failing_closed
from db.rows import (
    DEAD_JOB,
    LIVE_JOB,
    QUEUED_JOB,
    AccountRow,
    AuditDetailsRow,
    AuditRow,
    ChapterRow,
    PasskeyRow,
    RecoveryCodeRow,
    SessionRow,
    StoryRow,
    TotpFactorRow,
)
from db.turns import TABLE
from domain.accounts import Account
from domain.audit import AuditDetails, AuditEntry, AuditRecord
from domain.entity import Entity
from domain.jobs import Job, JobState, Queue
from domain.passkeys import Passkey
from domain.second_factors import SecondFactor
from domain.sessions import Session
from domain.stories import Chapter, Story, StoryStatus
from usecases.ports.reads import AuditPage, JobsPage, PlaceInLine, QueueLoad, StoriesPage

E = TypeVar("E", bound=Entity)

ACCOUNTS = SQLModel.metadata.tables[AccountRow.__tablename__]
SESSIONS = SQLModel.metadata.tables[SessionRow.__tablename__]
FACTORS = SQLModel.metadata.tables[TotpFactorRow.__tablename__]
RECOVERY = SQLModel.metadata.tables[RecoveryCodeRow.__tablename__]
PASSKEYS = SQLModel.metadata.tables[PasskeyRow.__tablename__]
STORIES = SQLModel.metadata.tables[StoryRow.__tablename__]
CHAPTERS = SQLModel.metadata.tables[ChapterRow.__tablename__]
ENTRIES = SQLModel.metadata.tables[AuditRow.__tablename__]
DETAILS = SQLModel.metadata.tables[AuditDetailsRow.__tablename__]

AUDIT = select(
    *ENTRIES.c,
    *(column.label(f"details_{column.name}") for column in DETAILS.c),
).outerjoin_from(ENTRIES, DETAILS, ENTRIES.c.id == DETAILS.c.id)


class SqlReads:
    """Implements `Reads` on PostgreSQL. Without it every call raises UpstreamUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        # A single statement is a transaction by itself: BEGIN and ROLLBACK would be two more trips.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def accounts(self, account_ids: Sequence[UUID]) -> dict[UUID, Account]:
        """Return the accounts by id."""
        rows = await self._rows(select(ACCOUNTS).where(ACCOUNTS.c.id.in_(account_ids)))
        return {row["id"]: _entity(Account, row) for row in rows}

    async def session(self, session_id: UUID) -> Session | None:
        """Return the session."""
        rows = await self._rows(select(SESSIONS).where(SESSIONS.c.id == session_id))
        return _entity(Session, rows[0]) if rows else None

    async def sessions_of(self, account_id: UUID) -> list[Session]:
        """Return the account's sessions that were not ended, newest used first."""
        rows = await self._rows(
            select(SESSIONS)
            .where(SESSIONS.c.account_id == account_id, SESSIONS.c.ended_at.is_(None))
            .order_by(SESSIONS.c.last_used_at.desc(), SESSIONS.c.id.desc())
        )
        return [_entity(Session, row) for row in rows]

    async def second_factor(self, account_id: UUID) -> SecondFactor | None:
        """Return the account's second factor, if log-ins ask for one."""
        left = (
            select(func.count())
            .where(RECOVERY.c.account_id == FACTORS.c.account_id, RECOVERY.c.used_at.is_(None))
            .scalar_subquery()
        )
        rows = await self._rows(
            select(
                FACTORS.c.confirmed_at.label("enabled_at"), left.label("recovery_codes_left")
            ).where(FACTORS.c.account_id == account_id, FACTORS.c.confirmed_at.is_not(None))
        )
        return SecondFactor(**rows[0]) if rows else None

    async def passkeys(self, passkey_ids: Sequence[UUID]) -> dict[UUID, Passkey]:
        """Return the passkeys by id, whoever owns them."""
        rows = await self._rows(select(PASSKEYS).where(PASSKEYS.c.id.in_(passkey_ids)))
        return {row["id"]: _entity(Passkey, row) for row in rows}

    async def passkeys_of(self, account_id: UUID) -> list[Passkey]:
        """Return the account's passkeys, oldest first."""
        rows = await self._rows(
            select(PASSKEYS).where(PASSKEYS.c.account_id == account_id).order_by(PASSKEYS.c.id)
        )
        return [_entity(Passkey, row) for row in rows]

    async def story(self, account_id: UUID, story_id: UUID) -> Story | None:
        """Return the story if it is the account's."""
        rows = await self._rows(
            select(STORIES).where(STORIES.c.id == story_id, STORIES.c.account_id == account_id)
        )
        return _entity(Story, rows[0]) if rows else None

    async def stories(self, story_ids: Sequence[UUID]) -> dict[UUID, Story]:
        """Return the stories by id, whoever owns them."""
        rows = await self._rows(select(STORIES).where(STORIES.c.id.in_(story_ids)))
        return {row["id"]: _entity(Story, row) for row in rows}

    async def stories_of(self, page: StoriesPage) -> list[Story]:
        """Return a page of the account's stories, newest first or oldest first."""
        place = tuple_(STORIES.c.requested_at, STORIES.c.id)
        query = _of_account(select(STORIES), page)
        if page.after is not None:
            last = tuple_(*page.after)
            query = query.where(place > last if page.oldest_first else place < last)
        way = asc if page.oldest_first else desc
        query = query.order_by(way(STORIES.c.requested_at), way(STORIES.c.id))
        rows = await self._rows(query.limit(page.limit))
        return [_entity(Story, row) for row in rows]

    async def count_stories_of(self, page: StoriesPage) -> int:
        """Count the stories of all pages."""
        counted = _of_account(select(func.count().label("stories")).select_from(STORIES), page)
        return int((await self._rows(counted))[0]["stories"])

    async def chapters(self, story_ids: Sequence[UUID]) -> dict[UUID, list[Chapter]]:
        """Return the stored chapters of each story, by number; a story without any has []."""
        rows = await self._rows(
            select(CHAPTERS).where(CHAPTERS.c.story_id.in_(story_ids)).order_by(CHAPTERS.c.number)
        )
        told: dict[UUID, list[Chapter]] = {story_id: [] for story_id in story_ids}
        for row in rows:
            told[row["story_id"]].append(_entity(Chapter, row))
        return told

    async def places(self, story_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Return the place in line of those of the stories that wait."""
        rows = await self._rows(_line(story_ids))
        return {row["story_id"]: row["place"] for row in rows}

    async def line(self) -> list[PlaceInLine]:
        """Return all stories that wait for a worker, next first."""
        return [PlaceInLine(**row) for row in await self._rows(_line())]

    async def jobs(self, page: JobsPage) -> list[Job]:
        """Return a page of everybody's jobs, newest first."""
        is_dead = page.state is JobState.DEAD
        at = JOB.finished_at if is_dead else JOB.created_at
        query = select(TABLE).where(DEAD_JOB if is_dead else JOB.state == page.state)
        if page.queue is not None:
            query = query.where(JOB.queue == page.queue)
        if page.kind is not None:
            query = query.where(JOB.kind == page.kind)
        if page.after is not None:
            query = query.where(tuple_(at, JOB.id) < tuple_(*page.after))
        query = query.order_by(at.desc(), JOB.id.desc())
        return [as_job(row) for row in await self._rows(query.limit(page.limit))]

    async def queues(self) -> list[QueueLoad]:
        """Return what is in each queue, in the order of `Queue`."""
        rows = await self._rows(
            select(
                JOB.queue,
                *(
                    func.count().filter(JOB.state == state).label(state.value)
                    for state in (
                        JobState.SCHEDULED,
                        JobState.QUEUED,
                        JobState.RUNNING,
                        JobState.DEAD,
                    )
                ),
                (func.now() - func.min(JOB.run_at).filter(QUEUED_JOB)).label("oldest"),
            )
            .where(or_(LIVE_JOB, DEAD_JOB))
            .group_by(JOB.queue)
        )
        found = {row["queue"]: QueueLoad(**row) for row in rows}
        return [found.get(queue, QueueLoad(queue)) for queue in Queue]

    async def audit_of(self, page: AuditPage) -> list[AuditRecord]:
        """Return a page of what was recorded of an account, newest first."""
        query = AUDIT.where(ENTRIES.c.account_id == page.account_id)
        if page.after is not None:
            query = query.where(tuple_(ENTRIES.c.occurred_at, ENTRIES.c.id) < tuple_(*page.after))
        query = query.order_by(ENTRIES.c.occurred_at.desc(), ENTRIES.c.id.desc())
        return [_record(row) for row in await self._rows(query.limit(page.limit))]

    async def audit_trail(self, after: int, limit: int) -> list[AuditRecord]:
        """Return what follows the entry with that sequence, of whomever, oldest first."""
        query = AUDIT.where(ENTRIES.c.sequence > after).order_by(ENTRIES.c.sequence)
        return [_record(row) for row in await self._rows(query.limit(limit))]

    async def _rows(self, query: Select[Any]) -> Sequence[RowMapping]:
        with failing_closed():
            async with self._engine.connect() as connection:
                rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
        return rows


def _of_account(query: Select[Any], page: StoriesPage) -> Select[Any]:
    query = query.where(STORIES.c.account_id == page.account_id)
    return query.where(STORIES.c.status.in_(page.statuses)) if page.statuses else query


def _line(story_ids: Sequence[UUID] | None = None) -> Select[Any]:
    """Return the places of queued stories, in the order in which workers take them.

    Only jobs that are due are counted, as one that waits to be tried again holds up nobody.
    """
    waiting = (
        select(
            cast(JOB.task["story_id"].astext, UuidType).label("story_id"),
            func.row_number().over(order_by=ORDER).label("place"),
        )
        .where(QUEUED_JOB, JOB.queue == Queue.STORIES, JOB.kind == "write_story")
        .cte("waiting")
    )
    line = (
        select(
            STORIES.c.id.label("story_id"),
            STORIES.c.account_id,
            STORIES.c.attempt,
            waiting.c.place,
        )
        .join(waiting, waiting.c.story_id == STORIES.c.id)
        .where(STORIES.c.status == StoryStatus.QUEUED)
        .order_by(waiting.c.place)
    )
    return line if story_ids is None else line.where(STORIES.c.id.in_(story_ids))


def _record(row: RowMapping) -> AuditRecord:
    """Put an entry and its details together; erased ones are absent."""
    entry = {column.name: row[column.name] for column in ENTRIES.c}
    details = {column.name: row[f"details_{column.name}"] for column in DETAILS.c}
    return AuditRecord.model_construct(
        entry=AuditEntry.model_construct(None, **entry),
        details=None if details["id"] is None else AuditDetails.model_construct(None, **details),
    )


def _entity(kind: type[E], row: RowMapping) -> E:
    """Make an entity of what was checked when it was stored."""
    entity: E = kind.model_construct(None, **row)  # type: ignore[assignment] # the plugin says Entity
    return entity
