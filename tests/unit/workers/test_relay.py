"""The relay finds what nobody was woken for."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from loguru import logger

from domain.jobs import Job, SendDelivery
from tests.fakes.database import FakeDatabase, FakeJobDesk, FakeJobQueue
from usecases.ports.jobs import JobDesk, JobQueue
from workers.relay import Relay

SOON, NEVER = timedelta(milliseconds=5), timedelta(hours=1)


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


class AnnouncingDesk(FakeJobDesk):
    """Announces promises when the test says so."""

    def __init__(self, database: FakeDatabase) -> None:
        super().__init__(database)
        self.announce = asyncio.Event()
        self.looked = asyncio.Event()

    async def due(self, limit: int) -> list[Job]:
        self.looked.set()
        return await super().due(limit)

    async def promised(self) -> AsyncGenerator[None, None]:
        await self.announce.wait()
        yield
        await asyncio.Event().wait()


async def promise(database: FakeDatabase, *, count: int = 1) -> list[Job]:
    async with database.begin() as work:
        return [
            await work.jobs.add(SendDelivery(delivery_id=uuid4()), dedupe_key=str(uuid4()))
            for _ in range(count)
        ]


@asynccontextmanager
async def relaying(desk: JobDesk, queue: JobQueue, pace: timedelta) -> AsyncGenerator[None, None]:
    relay = asyncio.ensure_future(Relay(desk, queue, pace)())
    yield
    relay.cancel()
    await asyncio.wait({relay})


async def test_jobs_that_wait_are_woken_in_the_order_in_which_they_are_due() -> None:
    database, queue = FakeDatabase(), HeardQueue()
    jobs = await promise(database, count=250)
    async with asyncio.timeout(5), relaying(FakeJobDesk(database), queue, SOON):
        while len(queue.woken) < len(jobs):
            await queue.woke.wait()
            queue.woke.clear()
    assert [job.id for job in queue.woken] == [job.id for job in jobs]


async def test_a_promise_is_heard_of_before_it_is_looked_for() -> None:
    database, queue = FakeDatabase(), HeardQueue()
    desk = AnnouncingDesk(database)
    async with asyncio.timeout(5), relaying(desk, queue, NEVER):
        await desk.looked.wait()
        jobs = await promise(database)
        desk.announce.set()
        await queue.woke.wait()
    assert [job.id for job in queue.woken] == [job.id for job in jobs]


async def test_what_was_found_while_the_queue_was_away_is_not_forgotten() -> None:
    database, queue = FakeDatabase(), HeardQueue(failures=3)
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message} {extra[error]}")
    jobs = await promise(database)
    async with asyncio.timeout(5), relaying(FakeJobDesk(database), queue, SOON):
        await queue.woke.wait()
    logger.remove(sink)
    assert [job.id for job in queue.woken] == [job.id for job in jobs]
    assert len(lines) == 1
    assert lines[0].startswith("Relay cannot work ConnectionError at ")
