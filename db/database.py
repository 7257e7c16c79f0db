"""The only place that commits, and the engine under it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from loguru import logger
from sqlalchemy import event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import IntegrityError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from db.accounts import SqlAccounts
from db.audit import SqlAudit
from db.deliveries import SqlDeliveries
from db.devices import SqlDevices
from db.dossiers import SqlDossiers
from db.factors import SqlSecondFactors
from db.jobs import SqlJobs, hold
from db.outages import failing_closed
from db.passkeys import SqlPasskeys
from db.rows import raise_taken
from db.sessions import SqlSessions
from db.signing_keys import SqlSigningKeys
from db.stories import SqlStories
from domain.jobs import JobState, Lease
from usecases.ports.jobs import JobQueue

RESTS = "rests since"

GOOD_BYE = timedelta(seconds=2)

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
        """Open a transaction; with a lease, only while it holds.

        Raises LeaseLost, Taken or UpstreamUnavailable.
        """
        with failing_closed():
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
        due = [job for job in jobs.added if job.state is JobState.QUEUED]
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
    silence: timedelta = timedelta(seconds=5),
    application_name: str = "storyloom",
) -> AsyncEngine:
    """Return an engine for `postgresql://user:password@host:5432/name`.

    It opens at most `pool_size` connections, and none yet. No statement takes longer than
    `statement_timeout`, none waits longer than `lock_timeout` for a row. A server that says nothing
    for a `silence` is taken for gone.
    """
    engine = create_async_engine(
        asyncpg_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,  # what was used a moment ago need not be asked whether it lives
        pool_timeout=10,
        hide_parameters=True,  # values of a failed statement may be addresses and hashes
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": silence.total_seconds(),
            # Where a server falls silent, not even its own time-out is heard.
            "command_timeout": (statement_timeout + silence).total_seconds(),
            "server_settings": {
                "application_name": application_name,
                "statement_timeout": _milliseconds(statement_timeout),
                "lock_timeout": _milliseconds(lock_timeout),
                "idle_in_transaction_session_timeout": _milliseconds(2 * statement_timeout),
            },
        },
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "checkin", _note_rest)
    event.listen(engine.sync_engine, "checkout", SignsOfLife(silence / 4, silence / 2))
    event.listen(engine.sync_engine, "handle_error", _give_up_silent)
    return engine


async def close_engine(engine: AsyncEngine) -> None:
    """Close the connections in good order, but wait no longer for a server that fell silent."""
    silent = False

    def leave(adapter: Any, _: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        nonlocal silent
        try:
            if silent:
                adapter.driver_connection.terminate()
            else:
                adapter.run_async(_say_good_bye)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            silent = True

    event.listen(engine.sync_engine, "close", leave)
    await engine.dispose()
    if silent:
        logger.warning("PostgreSQL did not answer a good-bye")


async def _say_good_bye(connection: asyncpg.Connection) -> None:
    await connection.close(timeout=GOOD_BYE.total_seconds())


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


@dataclass(frozen=True, slots=True, weakref_slot=True)
class SignsOfLife:
    """Heals the pool after PostgreSQL was away: one connection that is lost stands for all.

    asyncpg knows a connection that was closed, without asking the server. One whose end was never
    told, since its server or a firewall vanished, has to be asked; so is each that had a `rest`.
    Under load hardly any has, which spares the round trip that `pool_pre_ping` costs each request.
    """

    rest: timedelta
    patience: timedelta

    def __call__(self, adapter: Any, record: Any, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        """Look at a connection that is about to be used. Raises InvalidatePoolError."""
        if adapter.driver_connection.is_closed():
            raise InvalidatePoolError
        if monotonic() - record.info.get(RESTS, inf) > self.rest.total_seconds():
            adapter.run_async(self._ask)

    async def _ask(self, connection: Any) -> None:  # noqa: ANN401 - the driver's
        try:
            await connection.execute("SELECT 1", timeout=self.patience.total_seconds())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            connection.terminate()  # or SQLAlchemy would wait for its good-bye
            raise InvalidatePoolError from error


def _note_rest(_: Any, record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
    record.info[RESTS] = monotonic()


def _give_up_silent(context: ExceptionContext) -> None:
    """Drop a connection that did not answer, or not whole, instead of waiting for its rollback."""
    if isinstance(context.original_exception, TimeoutError | asyncpg.InternalClientError):
        context.is_disconnect = True


def _milliseconds(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))
