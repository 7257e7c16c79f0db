"""The audit trail in PostgreSQL: who may do what to it, and what happens when all come at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from db.database import SqlDatabase, create_engine
from db.migrations import migrate
from db.reads import SqlReads
from domain.audit import Act, Anchor
from domain.sessions import Device
from tests.factories import an_account
from tests.fakes.database import FakeJobQueue
from usecases.administration.verify_audit_trail import VerifyAuditTrail

DEVICE = Device(client_address="203.0.113.7", user_agent="Firefox")
FORBIDDEN = [
    "UPDATE audit_entries SET account_id = NULL",
    "DELETE FROM audit_entries",
    "TRUNCATE audit_entries CASCADE",
    "UPDATE audit_details SET detail = '{}'",
    "TRUNCATE audit_details",
]
INSERT = """INSERT INTO audit_entries (id, sequence, act, occurred_at, details_digest, previous,
    digest) VALUES (gen_random_uuid(), 99, 'logged_in', now(), '', '', '')"""


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[SqlDatabase]:
    """Return the database as its owner has it."""
    engine = create_engine(postgres_url)
    yield SqlDatabase(engine, FakeJobQueue())
    await engine.dispose()


@pytest.fixture
async def reads(postgres_url: str) -> AsyncIterator[SqlReads]:
    """Return queries."""
    engine = create_engine(postgres_url)
    yield SqlReads(engine)
    await engine.dispose()


@pytest.fixture
async def owner(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection of the tables' owner."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@pytest.fixture
async def app_url(
    postgres_url: str, owner: asyncpg.Connection, worker_id: str
) -> AsyncIterator[str]:
    """Return the database as the application's own role has it."""
    role = f"app_{worker_id}"
    await owner.execute(f"DROP ROLE IF EXISTS {role}")
    await owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'harmless'")
    await migrate(postgres_url, app_role=role)
    yield f"postgresql://{role}:harmless@{postgres_url.rpartition('@')[2]}"
    await owner.execute(f"DROP OWNED BY {role}")
    await owner.execute(f"DROP ROLE {role}")


async def record(database: SqlDatabase, times: int = 1) -> None:
    for _ in range(times):
        async with database.begin() as work:
            await work.audit.record(Act.LOGGED_IN, uuid4(), device=DEVICE, detail={"a": "b"})


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_nobody_changes_it_not_even_its_owner(
    statement: str, database: SqlDatabase, owner: asyncpg.Connection
) -> None:
    await record(database)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only grows"):
        await owner.execute(statement)
    await owner.execute("SET session_replication_role = replica")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only grows"):
        await owner.execute(statement)
    assert await owner.fetchval("SELECT count(*) FROM audit_entries") == 1


@pytest.mark.parametrize(
    "statement",
    [
        *FORBIDDEN,
        INSERT,
        "INSERT INTO audit_details SELECT * FROM audit_details",
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "DROP TABLE audit_entries CASCADE",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE sql AS ''",
        "UPDATE alembic_version SET version_num = '0001'",
    ],
)
async def test_the_application_has_no_right_to_it(
    statement: str, database: SqlDatabase, app_url: str
) -> None:
    await record(database)
    connection = await asyncpg.connect(app_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


async def test_the_application_records_reads_and_erases(app_url: str) -> None:
    engine = create_engine(app_url)
    database, reads, account = SqlDatabase(engine, FakeJobQueue()), SqlReads(engine), an_account()
    async with database.begin() as work:
        await work.accounts.add(account)
        await work.audit.record(Act.SIGNED_UP, account.id, device=DEVICE)
    async with database.begin() as work:
        await work.audit.erase(account.id)
    [found] = await reads.audit_trail(0, 10)
    assert (found.entry.act, found.details) == (Act.SIGNED_UP, None)
    assert (await VerifyAuditTrail(reads)()).broken_at is None
    await engine.dispose()


async def test_whoever_is_no_user_of_ours_cannot_append(
    postgres_url: str, owner: asyncpg.Connection, worker_id: str
) -> None:
    role = f"stranger_{worker_id}"
    await owner.execute(f"DROP ROLE IF EXISTS {role}")
    await owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'harmless'")
    stranger = await asyncpg.connect(
        f"postgresql://{role}:harmless@{postgres_url.rpartition('@')[2]}"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await stranger.execute(
            "SELECT audit_append(gen_random_uuid(), 'logged_in', NULL, NULL, '', '', '', '', '{}')"
        )
    await stranger.close()
    await owner.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit_entries SET act = 'logged_out' WHERE sequence = 3", 3),
        ("UPDATE audit_entries SET occurred_at = occurred_at + '1 us' WHERE sequence = 3", 3),
        ("DELETE FROM audit_details; DELETE FROM audit_entries WHERE sequence = 3", 3),
        ("UPDATE audit_details SET salt = ''", 1),
        (INSERT, 6),
    ],
)
async def test_who_can_change_it_all_the_same_is_noticed(
    statement: str,
    broken_at: int,
    database: SqlDatabase,
    reads: SqlReads,
    owner: asyncpg.Connection,
) -> None:
    await record(database, 5)
    async with owner.transaction():
        for table in ("audit_entries", "audit_details"):
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await owner.execute(statement)
        for table in ("audit_entries", "audit_details"):
            await owner.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")
    assert (await VerifyAuditTrail(reads, page=2)()).broken_at == broken_at


async def test_an_anchor_tells_of_entries_that_are_missing(
    database: SqlDatabase, reads: SqlReads
) -> None:
    await record(database, 2)
    noted = (await VerifyAuditTrail(reads)()).head
    assert noted
    assert (await VerifyAuditTrail(reads)(noted)).broken_at is None
    beyond = Anchor(sequence=3, digest=noted.digest)
    assert (await VerifyAuditTrail(reads)(beyond)).broken_at == 3


async def test_all_at_once_make_one_chain_without_a_gap(
    database: SqlDatabase, reads: SqlReads, postgres_url: str
) -> None:
    another_process = create_engine(postgres_url)
    databases = [database, SqlDatabase(another_process, FakeJobQueue())]
    await asyncio.gather(*(record(databases[number % 2], 5) for number in range(40)))
    verdict = await VerifyAuditTrail(reads)()
    assert verdict.broken_at is None
    assert verdict.head
    assert verdict.head.sequence == 200
    await another_process.dispose()


async def test_crossed_locks_and_entries_never_wait_for_each_other(database: SqlDatabase) -> None:
    """Whoever is about to append holds the chain only when it needs nothing more but its commit."""
    ours = an_account()
    async with database.begin() as work:
        await work.accounts.add(ours)

    async def change(number: int) -> None:
        async with database.begin() as work:
            # Some hold the row from the start; the others want it with what they write at the end.
            get = work.accounts.lock if number % 2 else work.accounts.get
            account = await get(ours.id)
            await work.audit.record(Act.LOGGED_IN, ours.id)
            assert account
            account.display_name = str(number)

    async with asyncio.timeout(4):  # less than a lock is waited for
        await asyncio.gather(*(change(number) for number in range(40)))


async def test_the_chain_is_not_held_while_a_use_case_thinks(database: SqlDatabase) -> None:
    async with asyncio.timeout(4), database.begin() as work:
        await work.audit.record(Act.LOGGED_IN, uuid4())
        await record(database)


async def test_the_application_forgets_strangers_by_the_right_to_delete_details_alone(
    database: SqlDatabase, reads: SqlReads, app_url: str
) -> None:
    await record(database, times=3)  # of accounts that are gone
    engine = create_engine(app_url)
    app, later = SqlDatabase(engine, FakeJobQueue()), datetime.now(UTC) + timedelta(minutes=1)
    for forgotten in (2, 1, 0):
        async with app.begin() as work:
            assert await work.audit.forget_strangers(later, 2) == forgotten
    await engine.dispose()
    verdict = await VerifyAuditTrail(reads)()
    assert (verdict.broken_at, verdict.erased) == (None, 3)
