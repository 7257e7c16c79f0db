"""Each port's real adapter and its fake, side by side."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import text

from db.database import SqlDatabase, create_engine
from db.job_desk import SqlJobDesk
from db.reads import SqlReads
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase, FakeJobDesk, FakeJobQueue
from tests.fakes.reads import FakeReads
from usecases.ports.jobs import JobDesk
from usecases.ports.reads import Reads
from usecases.ports.transactions import Database

LEASE = timedelta(seconds=30)

BACKDATE = (
    """UPDATE jobs SET run_at = run_at - CAST(:by AS interval),
        deadline = deadline - CAST(:by AS interval),
        lease_until = lease_until - CAST(:by AS interval),
        woken_at = woken_at - CAST(:by AS interval)""",
    "UPDATE schedules SET next_at = next_at - CAST(:by AS interval)",
    # No two ticks may meet on the way, so they take it by another century.
    """UPDATE jobs SET
        scheduled_for = scheduled_for - CAST(:by AS interval) - interval '100 years'""",
    """UPDATE jobs SET scheduled_for = scheduled_for + interval '100 years'
        WHERE CAST(:by AS interval) > interval '0'""",
)


@dataclass(frozen=True, slots=True)
class Truth:
    """A database, real or fake, with all that works on it."""

    database: Database
    desk: JobDesk
    reads: Reads
    queue: FakeJobQueue
    let_time_pass: Callable[[timedelta], Awaitable[None]]


@pytest.fixture(params=["fake", "postgres"])
async def truth(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[Truth]:
    """Return a fake, then the real database: both must pass."""
    queue = FakeJobQueue()
    if request.param == "fake":
        clock = FakeClock()
        fake = FakeDatabase(clock, queue)

        async def advance(by: timedelta) -> None:
            clock.advance(by)

        yield Truth(fake, FakeJobDesk(fake, LEASE), FakeReads(fake), queue, advance)
        return
    engine = create_engine(postgres_url)

    async def backdate(by: timedelta) -> None:
        """Let time pass for the jobs: PostgreSQL's own clock cannot be set."""
        async with engine.begin() as connection:
            for statement in BACKDATE:
                await connection.execute(text(statement), {"by": by})

    yield Truth(
        SqlDatabase(engine, queue), SqlJobDesk(engine, LEASE), SqlReads(engine), queue, backdate
    )
    await engine.dispose()
