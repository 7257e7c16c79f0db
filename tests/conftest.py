"""The servers that tests run against: a real PostgreSQL and a real Redis.

They are those that TEST_DATABASE_URL and TEST_REDIS_URL name, or are started here: one PostgreSQL
for the whole run with a database for each test process, and one Redis for each test process.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from bootstrap.engines import DISPOSABLE, EmbeddedPostgres, EmbeddedRedis, free_port
from db.migrations import migrate
from tests.servers import Server, started

pytest_plugins = ["tests.figures"]

Postgres = pytest.StashKey[Server]()
Scratch = pytest.StashKey[Path]()
TEMPLATE = "storyloom_template"


def pytest_configure(config: pytest.Config) -> None:
    """Start PostgreSQL and prepare the template, once, before the test processes begin."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    url = os.environ.get("TEST_DATABASE_URL")
    if not url:
        home = config.stash[Scratch] = Path(tempfile.mkdtemp(prefix="storyloom-tests-"))
        postgres = EmbeddedPostgres(home / "postgres", free_port(), DISPOSABLE)
        config.stash[Postgres] = asyncio.run(started(postgres))
        url = postgres.url
        os.environ["TEST_DATABASE_URL"] = url
    asyncio.run(_make_template(url))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    if (server := config.stash.get(Postgres, None)) is not None:
        asyncio.run(server.stop())
    if (home := config.stash.get(Scratch, None)) is not None:
        shutil.rmtree(home, ignore_errors=True)


async def _make_template(url: str) -> None:
    await _execute(
        url,
        f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)",
        f"CREATE DATABASE {TEMPLATE}",
    )
    await migrate(_database(url, TEMPLATE))


def _database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def _own_database_url(worker_id: str) -> str:
    """Return a database of this test process, made from the template."""
    url, name = os.environ["TEST_DATABASE_URL"], f"storyloom_test_{worker_id}"
    asyncio.run(
        _execute(
            url,
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
            f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}",
        )
    )
    return _database(url, name)


@pytest.fixture
async def postgres_url(_own_database_url: str) -> str:
    """Return a migrated database without rows.

    The audit trail refuses to be emptied; only its owner, who made the tables, can switch that off.
    """
    await _execute(
        _own_database_url,
        """DO $$ DECLARE tables text; BEGIN
             ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_append_only;
             ALTER TABLE audit_details DISABLE TRIGGER audit_details_append_only;
             SELECT string_agg(quote_ident(tablename), ', ') INTO tables FROM pg_tables
               WHERE schemaname = 'public' AND tablename <> 'alembic_version';
             IF tables IS NOT NULL THEN EXECUTE 'TRUNCATE ' || tables || ' CASCADE'; END IF;
             ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_append_only;
             ALTER TABLE audit_details ENABLE ALWAYS TRIGGER audit_details_append_only;
           END $$""",
    )
    return _own_database_url


@pytest.fixture(scope="session")
def _own_redis_url(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return a Redis of this test process: pub/sub crosses the databases of one server."""
    if url := os.environ.get("TEST_REDIS_URL"):
        number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
        yield f"{url.rpartition('/')[0]}/{number}"
        return
    redis = EmbeddedRedis(tmp_path_factory.mktemp("redis"), free_port())
    server = asyncio.run(started(redis))
    yield redis.url
    asyncio.run(server.stop())


@pytest.fixture
async def redis_url(_own_redis_url: str) -> str:
    """Return an empty Redis database."""
    async with Redis.from_url(_own_redis_url) as redis:
        await redis.flushdb()
    return _own_redis_url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Return a client of the empty Redis database; it answers bytes."""
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Server]:
    """Return a Redis that the test may kill; its data outlives a restart."""
    server = await started(EmbeddedRedis(tmp_path / "redis", free_port()))
    yield server
    await server.stop()


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[Server]:
    """Return a PostgreSQL that the test may kill, with a migrated database."""
    server = await started(EmbeddedPostgres(tmp_path / "postgres", free_port(), DISPOSABLE))
    await migrate(server.url)
    yield server
    await server.stop()
