"""The only place that commits, and the engine under it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from loguru import logger
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from db.accounts import SqlAccounts
from db.audit import SqlAudit
from db.deliveries import SqlDeliveries
from db.devices import SqlDevices
from db.dossiers import SqlDossiers
from db.factors import SqlSecondFactors
from db.jobs import SqlJobs, hold
from db.passkeys import SqlPasskeys
from db.rows import raise_taken
from db.sessions import SqlSessions
from db.signing_keys import SqlSigningKeys
from db.stories import SqlStories
from domain.jobs import Lease
from usecases.ports.jobs import JobQueue

WAKING = timedelta(seconds=2)
"""How long a commit waits for the queue to take its wake-ups; after that the relay does it."""


class SqlWork:
    """One transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.audit = SqlAudit(session)
        self.signing_keys = SqlSigningKeys(session)
        self.accounts = SqlAccounts(session)
        self.sessions = SqlSessions(session)
        self.factors = SqlSecondFactors(session)
        self.passkeys = SqlPasskeys(session)
        self.devices = SqlDevices(session)
        self.dossiers = SqlDossiers(session)
        self.stories = SqlStories(session)
        self.jobs = SqlJobs(session)
        self.deliveries = SqlDeliveries(session)


class SqlDatabase:
    """Implements `Database` on PostgreSQL: wakes the queue after each commit that added jobs."""

    def __init__(self, engine: AsyncEngine, queue: JobQueue) -> None:
        self._engine, self._queue = engine, queue

    @asynccontextmanager
    async def begin(self, lease: Lease | None = None) -> AsyncIterator[SqlWork]:
        """Open a transaction; with a lease, only while it holds. Raises LeaseLost or Taken."""
        try:
            async with (
                AsyncSession(self._engine, expire_on_commit=False) as session,
                session.begin(),
            ):
                if lease is not None:
                    await hold(session, lease)
                work = SqlWork(session)
                yield work
                await work.audit.append()
        except IntegrityError as error:
            raise_taken(error)
        await self._tell_queue(work.jobs)

    async def ping(self) -> None:
        """Ask PostgreSQL for a sign of life. Raises whatever keeps it from giving one."""
        async with self._engine.connect() as connection:
            await connection.exec_driver_sql("SELECT 1")

    async def _tell_queue(self, jobs: SqlJobs) -> None:
        due = [job for job in jobs.added if job.run_at <= job.created_at]
        try:
            async with asyncio.timeout(WAKING.total_seconds()):
                if due:
                    await self._queue.wake(due)
                if jobs.called_off:
                    await self._queue.call_off(jobs.called_off)
        except Exception as error:  # noqa: BLE001 - it is committed: the relay and leases see to it
            logger.bind(jobs=[str(job.id) for job in due], error=type(error).__name__).warning(
                "Queue could not be told of jobs"
            )


def create_engine(
    url: str,
    *,
    pool_size: int = 10,
    statement_timeout: timedelta = timedelta(seconds=10),
    lock_timeout: timedelta = timedelta(seconds=5),
    application_name: str = "storyloom",
) -> AsyncEngine:
    """Return an engine for `postgresql://user:password@host:5432/name`.

    It opens at most `pool_size` connections, and none yet. No statement takes longer than
    `statement_timeout`, none waits longer than `lock_timeout` for a row.
    """
    engine = create_async_engine(
        asyncpg_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # values of a failed statement may be addresses and hashes
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": 5,
            # Where a server falls silent, not even its own time-out is heard.
            "command_timeout": statement_timeout.total_seconds() + 5,
            "server_settings": {
                "application_name": application_name,
                "statement_timeout": _milliseconds(statement_timeout),
                "lock_timeout": _milliseconds(lock_timeout),
                "idle_in_transaction_session_timeout": _milliseconds(2 * statement_timeout),
            },
        },
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def asyncpg_url(url: str) -> URL:
    """Return SQLAlchemy's URL for asyncpg; `sslmode`, which asyncpg knows as `ssl`, is kept."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    query = dict(parsed.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return parsed.set(query=query)


def _prepare(adapter: Any, *_: Any) -> None:  # noqa: ANN401 - the driver's types
    """Have ids as Python's own UUID: asyncpg's looks like it, but not to JSON encoders."""
    adapter.run_async(
        lambda connection: connection.set_type_codec(
            "uuid",
            schema="pg_catalog",
            format="binary",
            encoder=lambda value: value.bytes,
            decoder=lambda value: UUID(bytes=value),
        )
    )


def _refuse_closed(adapter: Any, *_: Any) -> None:  # noqa: ANN401 - the driver's types
    """Heal after PostgreSQL restarts: asyncpg knows a lost connection, without asking the server.

    One that is closed stands for all of the pool. Costs no round trip, unlike `pool_pre_ping`.
    """
    if adapter.driver_connection.is_closed():
        raise InvalidatePoolError


def _milliseconds(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))
