"""What jobs cost in PostgreSQL, also when a hundred thousand wait."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from time import perf_counter
from uuid import uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.database import SqlDatabase, create_engine
from db.job_desk import SqlJobDesk
from domain.jobs import Queue
from tests.fakes.database import FakeJobQueue
from tests.figures import Figures
from tests.jobs import KNOWN, claimed
from usecases.deliveries.send_delivery import SendDeliveryTask

BACKLOG = """
INSERT INTO jobs (id, kind, version, task, dedupe_key, account_id, queue, priority, turn, state,
    attempt, progress, progress_total, created_at, run_at, woken_at, budget, deadline)
SELECT gen_random_uuid(), 'send_delivery', 1, '{}', n::text, gen_random_uuid(), 'mail', 1, n / 50,
    'queued', 0, 0, 0, now(), now(), now(), '2 days', now() + interval '2 days'
FROM generate_series(1, :jobs) AS n
"""


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


async def backlog(engine: AsyncEngine, jobs: int) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(BACKLOG), {"jobs": jobs})
    async with engine.connect() as connection:
        single = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await single.execute(text("ANALYZE jobs"))


async def median_ms(act: Callable[[], Awaitable[object]], times: int) -> float:
    taken = []
    for _ in range(times):
        start = perf_counter()
        await act()
        taken.append(perf_counter() - start)
    return sorted(taken)[times // 2] * 1000


async def test_a_backlog_makes_no_step_of_a_job_slow(engine: AsyncEngine, figures: Figures) -> None:
    """The bounds are wide, as machines differ; a scan of the backlog would break them all."""
    jobs = figures.scale(20_000, 100_000)
    await backlog(engine, jobs)
    database, desk = SqlDatabase(engine, FakeJobQueue()), SqlJobDesk(engine)
    account_id, leases = uuid4(), []

    async def promise() -> None:
        async with database.begin() as work:
            await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()), account_id=account_id)

    async def claim() -> None:
        leases.append((await claimed(desk, Queue.MAIL))[1])

    async def finish() -> None:
        await desk.finish(leases.pop())

    async def due() -> None:
        await desk.due(100, KNOWN)

    steps = {"promise": promise, "claim": claim, "finish": finish, "due": due}
    times = figures.scale(20, 200)
    for name, step in steps.items():
        took = await median_ms(step, times)
        assert took < (40 if name == "due" else 20)
        figures.show(f"{name} a job while {jobs:,} wait, median", f"{took:.1f} ms")


async def test_steps_read_as_many_rows_as_they_need(engine: AsyncEngine) -> None:
    """No plan scans the table, or sorts what waits."""
    await backlog(engine, 20_000)
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(
        engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cu, statement, parameters, *_: asked.append((statement, parameters)),
    )
    desk = SqlJobDesk(engine)
    _, lease = await claimed(desk, Queue.MAIL)
    await desk.renew(lease)
    await desk.release(lease)
    _, lease = await claimed(desk, Queue.MAIL)
    await desk.retry(lease, timedelta(), "at once")
    await desk.due(100, KNOWN)
    database = SqlDatabase(engine, FakeJobQueue())
    async with database.begin() as work:
        await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()), account_id=uuid4())
    statements = tuple(asked)
    assert [statement.split()[0] for statement, _ in statements] == [
        *["UPDATE"] * 5,
        "SELECT",
        *["UPDATE"] * 2,
        "INSERT",
    ]
    for statement, parameters in statements:
        async with engine.connect() as connection:
            rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            plan = "\n".join(row[0] for row in rows)
        assert "Seq Scan" not in plan, plan
        assert "Sort Key: jobs_1.priority" not in plan, plan


async def test_where_nothing_is_due_a_look_is_one_query(engine: AsyncEngine) -> None:
    await backlog(engine, 100)
    asked: list[str] = []
    event.listen(
        engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cu, statement, *_: asked.append(statement.split()[0]),
    )
    desk = SqlJobDesk(engine, wake_again=timedelta(hours=1))
    assert await desk.due(100, KNOWN) == []
    assert asked == ["SELECT"]
