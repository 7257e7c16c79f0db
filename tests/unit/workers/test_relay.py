"""The relay finds what nobody was woken for."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from loguru import logger

from domain.jobs import Job, Schedule
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase, FakeJobDesk, FakeJobQueue
from tests.jobs import KNOWN
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.maintenance.sweep import SweepTask
from usecases.ports.jobs import JobDesk, JobQueue
from workers.relay import Relay

PACE = timedelta(milliseconds=5)
MOMENT = timedelta(seconds=2)
"""After which a wake-up counts as lost."""


class HeardQueue(FakeJobQueue):
    """Tells when it was woken; the first `failures` times it is away."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.failures = failures
        self.woke = asyncio.Event()

    async def wake(self, jobs: Sequence[Job]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        await super().wake(jobs)
        self.woke.set()


async def promise(clock: FakeClock, database: FakeDatabase, *, count: int = 1) -> list[Job]:
    """Return jobs that their committer did not live to wake anybody for."""
    async with database.begin() as work:
        jobs = [await work.jobs.add(SendDeliveryTask(delivery_id=uuid4())) for _ in range(count)]
    clock.advance(MOMENT)
    return jobs


@asynccontextmanager
async def relaying(
    desk: JobDesk, queue: JobQueue, schedules: Sequence[Schedule] = ()
) -> AsyncGenerator[None, None]:
    relay = asyncio.ensure_future(Relay(desk, queue, KNOWN, schedules, PACE)())
    async with asyncio.timeout(5):
        yield
    relay.cancel()
    await asyncio.wait({relay})


async def test_jobs_that_nobody_was_woken_for_are_found_in_their_order() -> None:
    clock = FakeClock()
    database, queue = FakeDatabase(clock), HeardQueue()
    jobs = await promise(clock, database, count=3)
    async with relaying(FakeJobDesk(database), queue):
        await queue.woke.wait()
    assert [job.id for job in queue.woken] == [job.id for job in jobs]


async def test_a_schedule_that_is_due_wakes_a_worker() -> None:
    clock = FakeClock()
    database, queue = FakeDatabase(clock), HeardQueue()
    desk = FakeJobDesk(database)
    schedule = Schedule(name="sweep", every=timedelta(hours=1), task=SweepTask())
    await desk.tick([schedule])
    clock.advance(timedelta(hours=1))
    async with relaying(desk, queue, [schedule]):
        await queue.woke.wait()
    assert [job.kind for job in queue.woken] == ["sweep"]


async def test_what_was_found_while_the_queue_was_away_is_not_forgotten() -> None:
    clock = FakeClock()
    database, queue = FakeDatabase(clock), HeardQueue(failures=3)
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message} {extra[error]}")
    jobs = await promise(clock, database)
    async with relaying(FakeJobDesk(database), queue):
        await queue.woke.wait()
    logger.remove(sink)
    assert [job.id for job in queue.woken] == [job.id for job in jobs]
    assert len(lines) == 1
    assert lines[0].startswith("Relay cannot work ConnectionError at ")
