"""Whoever does a job goes by PostgreSQL's time, whatever the clock of the machine says."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bootstrap.engines import free_port
from db.clock import SqlClock
from db.database import SqlDatabase, create_engine
from db.job_desk import SqlJobDesk
from domain.jobs import Queue
from domain.refusals import UpstreamUnavailable
from tests.fakes.clock import START, FakeClock
from tests.fakes.database import FakeJobQueue
from tests.jobs import KNOWN, claimed
from usecases.deliveries.send_delivery import SendDeliveryTask

FORTNIGHT = timedelta(days=15)
TOLERANCE = timedelta(milliseconds=100)


@dataclass
class Worker:
    """What takes jobs on a machine whose clock the test sets."""

    engine: AsyncEngine

    def __post_init__(self) -> None:
        self.machine = FakeClock(datetime.now(UTC))
        self.clock = SqlClock(self.machine)
        self.desk = SqlJobDesk(self.engine, clock=self.clock)

    async def takes_a_job(self) -> None:
        async with SqlDatabase(self.engine, FakeJobQueue()).begin() as work:
            await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()))
        await claimed(self.desk, Queue.MAIL)

    async def is_right(self) -> bool:
        """Tell whether its clock agrees with PostgreSQL's."""
        before = await self._ask()
        now = self.clock.now()
        return before - TOLERANCE < now < await self._ask() + TOLERANCE

    async def _ask(self) -> datetime:
        async with self.engine.connect() as connection:
            asked = await connection.scalar(text("SELECT clock_timestamp()"))
        assert isinstance(asked, datetime)
        return asked


@pytest.fixture
async def worker(postgres_url: str) -> AsyncIterator[Worker]:
    engine = create_engine(postgres_url)
    yield Worker(engine)
    await engine.dispose()


async def test_until_postgresql_has_said_its_time_the_clock_is_the_machines(worker: Worker) -> None:
    worker.machine.advance(FORTNIGHT)
    assert await worker.desk.claim(Queue.MAIL, KNOWN) is None
    assert worker.clock.now() == worker.machine.now()


@pytest.mark.parametrize("shift", [FORTNIGHT, -FORTNIGHT])
async def test_who_takes_a_job_tells_the_time_of_postgresql(
    worker: Worker, shift: timedelta
) -> None:
    worker.machine.advance(shift)
    assert not await worker.is_right()
    await worker.takes_a_job()
    assert await worker.is_right()


async def test_a_clock_of_the_machine_that_jumps_changes_nothing(worker: Worker) -> None:
    await worker.takes_a_job()
    for jump in (FORTNIGHT, -2 * FORTNIGHT):
        worker.machine.advance(jump)
        assert await worker.is_right()


async def test_an_outage_leaves_the_clock_as_it_was(worker: Worker) -> None:
    worker.machine.advance(FORTNIGHT)
    await worker.takes_a_job()
    nowhere = create_engine(f"postgresql://storyloom@127.0.0.1:{free_port()}/storyloom")
    cut_off = SqlJobDesk(nowhere, clock=worker.clock)
    with pytest.raises(UpstreamUnavailable):
        await cut_off.claim(Queue.MAIL, KNOWN)
    assert await worker.is_right()


def test_an_answer_that_was_long_on_its_way_spoils_nothing() -> None:
    clock, said = SqlClock(FakeClock()), START + FORTNIGHT
    clock.set(said, asked=monotonic())
    before = clock.now()
    clock.set(said, asked=monotonic() - 60)
    assert timedelta() <= clock.now() - before < TOLERANCE


def test_a_clock_that_is_wrong_is_put_right_as_well_as_an_answer_can() -> None:
    clock, said = SqlClock(FakeClock()), START + FORTNIGHT
    clock.set(said, asked=monotonic() - 60)
    assert abs(clock.now() - said - timedelta(seconds=30)) < TOLERANCE, "half of a slow first one"
    clock.set(said, asked=monotonic())
    assert abs(clock.now() - said) < TOLERANCE
