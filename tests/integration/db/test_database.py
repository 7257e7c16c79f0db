"""What only the real database can show: locks, faults, and what it says of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from loguru import logger
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.database import SqlDatabase, asyncpg_url, create_engine
from db.job_desk import SqlJobDesk
from db.reads import SqlReads
from domain.accounts import AccountStatus
from domain.jobs import Job
from domain.refusals import UpstreamUnavailable
from tests.factories import a_chapter, a_session, a_story, an_account
from tests.fakes.database import FakeJobQueue
from tests.jobs import KNOWN, claim_of
from tests.servers import Server
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.reads import StoriesPage
from usecases.ports.transactions import LeaseLost, Taken


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def database(engine: AsyncEngine) -> SqlDatabase:
    return SqlDatabase(engine, FakeJobQueue())


async def a_promised_job(database: SqlDatabase) -> Job:
    async with database.begin() as work:
        return await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()))


# --- leases and locks -----------------------------------------------------------------------------


async def test_a_job_is_not_taken_over_in_the_middle_of_its_transaction(
    engine: AsyncEngine, database: SqlDatabase
) -> None:
    desk = SqlJobDesk(engine, lease=timedelta(milliseconds=50))
    job = await a_promised_job(database)
    claimed = await claim_of(desk, job)
    assert claimed is not None
    async with database.begin(claimed[1]):
        await asyncio.sleep(0.06)  # PostgreSQL's clock is the one that counts
        assert await desk.due(10, KNOWN) == []
    assert [found.id for found in await desk.due(10, KNOWN)] == [job.id]
    assert await claim_of(desk, job) is not None


async def test_a_cancellation_waits_for_the_worker_then_holds(
    engine: AsyncEngine, database: SqlDatabase
) -> None:
    desk = SqlJobDesk(engine)
    job = await a_promised_job(database)
    claimed = await claim_of(desk, job)
    assert claimed is not None

    async def cancel() -> None:
        async with database.begin() as work:
            await work.jobs.cancel(SendDeliveryTask, job.dedupe_key)

    async with database.begin(claimed[1]):
        canceling = asyncio.create_task(cancel())
        await _somebody_waits(engine)
        assert not canceling.done()
    await canceling
    with pytest.raises(LeaseLost):
        await desk.finish(claimed[1])


async def test_of_two_promises_at_once_one_is_kept(database: SqlDatabase) -> None:
    task = SendDeliveryTask(delivery_id=uuid4())

    async def promise() -> UUID:
        async with database.begin() as work:
            return (await work.jobs.add(task)).id

    assert len(set(await asyncio.gather(*(promise() for _ in range(8))))) == 1


async def test_relays_that_look_at_once_find_different_jobs(
    engine: AsyncEngine, database: SqlDatabase
) -> None:
    promised = {(await a_promised_job(database)).id for _ in range(20)}
    desk = SqlJobDesk(engine, wake_again=timedelta())
    patient = SqlJobDesk(engine, wake_again=timedelta(minutes=1))
    assert {job.id for job in await desk.due(20, KNOWN)} == promised
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE jobs SET woken_at = NULL")
    found = await asyncio.gather(*(patient.due(20, KNOWN) for _ in range(6)))
    ids = [job.id for jobs in found for job in jobs]
    assert sorted(ids) == sorted(promised)


async def test_an_address_is_locked_by_one_transaction_at_a_time(
    engine: AsyncEngine, database: SqlDatabase
) -> None:
    second = asyncio.Event()

    async def lock_too() -> None:
        async with database.begin() as work:
            await work.accounts.lock_email("mira@example.org")
            second.set()

    async with database.begin() as work:
        await work.accounts.lock_email("mira@example.org")
        waiting = asyncio.create_task(lock_too())
        await _somebody_waits(engine)
        assert not second.is_set()
    await waiting
    assert second.is_set()


async def test_a_locked_session_is_read_as_the_other_left_it(
    engine: AsyncEngine, database: SqlDatabase
) -> None:
    account = an_account()
    session = a_session(account.id)
    async with database.begin() as work:
        await work.accounts.add(account)
        await work.sessions.add(session)

    async def see() -> str:
        async with database.begin() as work:
            await work.sessions.get(session.id)
            held = await work.sessions.lock(session.id)
            assert held is not None
            return held.user_agent

    async with database.begin() as work:
        held = await work.sessions.lock(session.id)
        assert held is not None
        seeing = asyncio.create_task(see())
        await _somebody_waits(engine)
        held.user_agent = "Changed meanwhile"
    assert await seeing == "Changed meanwhile"


# --- waking ---------------------------------------------------------------------------------------


class DeadQueue(FakeJobQueue):
    """A queue whose Redis is away."""

    async def wake(self, jobs: Sequence[Job]) -> None:  # noqa: ARG002
        raise RedisConnectionError("connection refused")


async def test_a_queue_that_is_away_fails_no_commit(engine: AsyncEngine) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    job = await a_promised_job(SqlDatabase(engine, DeadQueue()))
    logger.remove(sink)
    assert await claim_of(SqlJobDesk(engine), job) is not None
    assert lines == ["Queue could not be told of jobs\n"]


# --- faults ---------------------------------------------------------------------------------------


async def test_connections_heal_after_a_crash(own_postgres: Server) -> None:
    engine = create_engine(own_postgres.url, pool_size=3)
    database = SqlDatabase(engine, FakeJobQueue())
    reads = SqlReads(engine)
    account = an_account()
    async with database.begin() as work:
        await work.accounts.add(account)
    await asyncio.gather(*(reads.accounts([account.id]) for _ in range(6)))

    await own_postgres.kill()
    await own_postgres.start()
    found = await asyncio.gather(*(reads.accounts([account.id]) for _ in range(6)))
    assert found == [{account.id: account}] * 6
    await engine.dispose()


async def test_errors_quote_no_values(database: SqlDatabase) -> None:
    account = an_account(email="mira@example.org", status=AccountStatus.ACTIVE)
    twin = an_account(email="mira@example.org", status=AccountStatus.ACTIVE)
    with pytest.raises(Taken) as taken:
        async with database.begin() as work:
            await work.accounts.add(account)
            await work.accounts.add(twin)
    assert str(taken.value) == "accounts_active_email"

    twin.password_hash += "\x00"  # what PostgreSQL refuses
    with pytest.raises(DBAPIError) as refused:
        async with database.begin() as work:
            await work.accounts.add(twin)
    assert "mira@example.org" not in str(refused.value)
    assert "argon2id" not in str(refused.value)


async def test_a_statement_does_not_wait_for_a_row_for_ever(postgres_url: str) -> None:
    engine = create_engine(postgres_url, lock_timeout=timedelta(milliseconds=50))
    database = SqlDatabase(engine, FakeJobQueue())
    job = await a_promised_job(database)
    async with database.begin() as work:
        await work.jobs.cancel(SendDeliveryTask, job.dedupe_key)
        with pytest.raises(UpstreamUnavailable):
            async with database.begin() as other:
                await other.jobs.cancel(SendDeliveryTask, job.dedupe_key)
    await engine.dispose()


@pytest.mark.parametrize(
    ("url", "dialect_url"),
    [
        ("postgresql://u:p@h:5/n", "postgresql+asyncpg://u:p@h:5/n"),
        ("postgres://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("postgresql://h/n?sslmode=require", "postgresql+asyncpg://h/n?ssl=require"),
    ],
)
def test_urls_are_taken_as_operators_write_them(url: str, dialect_url: str) -> None:
    assert asyncpg_url(url).render_as_string(hide_password=False) == dialect_url


async def test_ids_are_plain_uuids(engine: AsyncEngine, database: SqlDatabase) -> None:
    account = an_account()
    async with database.begin() as work:
        await work.accounts.add(account)
        job = await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()))
    async with database.begin() as work:
        stored = await work.accounts.get(account.id)
    read = await SqlReads(engine).accounts([account.id])
    assert stored is not None
    assert {type(stored.id), type(read[account.id].id), type(job.id)} == {UUID}


# --- cost -----------------------------------------------------------------------------------------


async def test_a_read_is_one_statement_however_much_it_reads(
    engine: AsyncEngine, database: SqlDatabase
) -> None:
    account = an_account()
    stories = [a_story(account.id) for _ in range(20)]
    async with database.begin() as work:
        await work.accounts.add(account)
        for story in stories:
            await work.stories.add(story)
            await work.stories.add_chapter(a_chapter(story.id))
    statements: list[str] = []
    event.listen(
        engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cu, statement, *_: statements.append(statement),
    )
    reads, ids = SqlReads(engine), [story.id for story in stories]

    assert len(await reads.stories_of(StoriesPage(account.id, limit=21))) == 20
    assert len(await reads.chapters(ids)) == 20
    assert len(await reads.stories(ids)) == 20
    await reads.line()
    assert [statement.split()[0] for statement in statements] == [
        "SELECT",
        "SELECT",
        "SELECT",
        "WITH",
    ]


async def _somebody_waits(engine: AsyncEngine) -> None:
    """Wait until a transaction of this database waits for a lock: only asking tells."""
    async with asyncio.timeout(5), engine.connect() as connection:
        query = (
            "SELECT 1 FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while (await connection.exec_driver_sql(query)).first() is None:
            await connection.rollback()
            await asyncio.sleep(0.01)
