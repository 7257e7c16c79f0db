"""The tables in PostgreSQL are those that the rows describe."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

import db.rows
from db.database import asyncpg_url
from db.migrations import migrate, revert

assert db.rows  # it is imported for the tables that it declares


@pytest.fixture
async def empty_url(postgres_url: str, worker_id: str) -> AsyncIterator[str]:
    """Return a database without tables."""
    name = f"storyloom_empty_{worker_id}"
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {name}")
    yield f"{postgres_url.rpartition('/')[0]}/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row["tablename"] for row in rows}


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return list(compare_metadata(context, SQLModel.metadata))


async def test_migrated_tables_equal_the_rows(postgres_url: str) -> None:
    engine = create_async_engine(asyncpg_url(postgres_url), poolclass=NullPool)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []


async def test_the_way_back_leaves_nothing_and_can_be_gone_again(empty_url: str) -> None:
    await migrate(empty_url)
    full = await tables(empty_url)
    assert full == {*SQLModel.metadata.tables, "alembic_version"}
    await revert(empty_url, "base")
    assert await tables(empty_url) == {"alembic_version"}
    await migrate(empty_url)
    assert await tables(empty_url) == full


async def test_processes_that_start_at_once_migrate_once(empty_url: str) -> None:
    await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    assert "stories" in await tables(empty_url)


async def test_migrating_again_changes_nothing(empty_url: str) -> None:
    await migrate(empty_url)
    before = await tables(empty_url)
    await migrate(empty_url)
    assert await tables(empty_url) == before


async def test_jobs_that_wait_already_get_their_queue_state_and_deadline(empty_url: str) -> None:
    await migrate(empty_url)
    await revert(empty_url, "0007")
    connection = await asyncpg.connect(empty_url)
    await connection.execute(
        """
        INSERT INTO jobs
            (id, kind, task, dedupe_key, account_id, state, attempt, created_at, run_at)
        SELECT gen_random_uuid(), kind, jsonb_build_object('kind', kind, 'n', n), key,
            account::uuid, state, 0, now(), now() + make_interval(hours => later)
        FROM (VALUES
            (1, 'write_story', 'story:7', 'e1b9a8d2-52f4-4ad2-9d5c-0d2c2f3b8a01', 'queued', 0),
            (2, 'write_story', 'story:8', 'e1b9a8d2-52f4-4ad2-9d5c-0d2c2f3b8a01', 'queued', 1),
            (3, 'send_delivery', 'challenge:9:code', NULL, 'running', 0),
            (4, 'announce_ends', 'sessions:1:ended', NULL, 'done', 0)
        ) AS old (n, kind, key, account, state, later)
        """
    )
    await migrate(empty_url)
    jobs = await connection.fetch(
        "SELECT task::text, dedupe_key, queue, priority, turn, state, version,"
        " extract(hour FROM deadline - run_at) + 24 * extract(day FROM deadline - run_at) AS hours"
        " FROM jobs ORDER BY task"
    )
    assert [tuple(job) for job in jobs] == [
        ('{"n": 1}', "7", "stories", 1, 0, "queued", 1, 6),
        ('{"n": 2}', "8", "stories", 1, 1, "scheduled", 1, 6),
        ('{"n": 3}', "challenge:9:code", "mail", 0, 0, "running", 1, 48),
        ('{"n": 4}', "sessions:1:ended", "maintenance", 0, 0, "done", 1, 48),
    ]
    await revert(empty_url, "0007")
    back = await connection.fetch("SELECT task->>'kind', dedupe_key, state FROM jobs ORDER BY 2")
    assert [tuple(job) for job in back] == [
        ("send_delivery", "challenge:9:code", "running"),
        ("announce_ends", "sessions:1:ended", "done"),
        ("write_story", "story:7", "queued"),
        ("write_story", "story:8", "queued"),
    ]
    await connection.close()
