"""arq's worker takes a permit the moment it is there, and no more than it has slots for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest
from arq.connections import ArqRedis
from loguru import logger
from redis.asyncio import Redis

from adapters.listening import stop
from adapters.queue import arq_redis, permits
from domain.jobs import Queue, Terms
from tests.figures import Figures
from tests.servers import Server
from usecases.deliveries.send_delivery import SendDeliveryTask
from workers.queue_worker import QueueWorker, drain

MAIL = permits(SendDeliveryTask.terms)
PERMIT_NUMBERS = count()


@dataclass
class Bench:
    """Where jobs are done: each begins, then goes on when it is let."""

    known: Sequence[Terms] = (SendDeliveryTask.terms,)
    began: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    go: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    running: int = 0
    most: int = 0
    done: int = 0
    stopped: int = 0

    async def __call__(self, queue: Queue) -> None:
        assert queue is Queue.MAIL
        self.running += 1
        self.most = max(self.most, self.running)
        self.began.release()
        try:
            await self.go.acquire()
            self.done += 1
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        finally:
            self.running -= 1

    async def starts(self, number: int = 1) -> None:
        """Wait until so many more have begun."""
        async with asyncio.timeout(5):
            for _ in range(number):
                await self.began.acquire()

    def finish(self, number: int = 1) -> None:
        """Let so many come to their end."""
        for _ in range(number):
            self.go.release()


@asynccontextmanager
async def arq_pool(url: str) -> AsyncIterator[ArqRedis]:
    """Open the connections that a worker opens."""
    pool = arq_redis(url)
    yield pool
    await pool.aclose(close_connection_pool=True)


@asynccontextmanager
async def at_work(worker: QueueWorker) -> AsyncIterator[None]:
    working = asyncio.create_task(worker.work())
    yield
    await stop(working)


async def permit(redis: Redis, number: int = 1) -> None:
    await redis.zadd(MAIL, {f"permit:{next(PERMIT_NUMBERS)}": 1.0 for _ in range(number)})


@pytest.fixture
async def pool(redis_url: str) -> AsyncIterator[ArqRedis]:
    async with arq_pool(redis_url) as pool:
        yield pool


async def test_a_permit_is_one_job(pool: ArqRedis) -> None:
    bench = Bench()
    worker = QueueWorker(pool, Queue.MAIL, bench, slots=4)
    async with at_work(worker):
        await permit(pool, 2)
        await bench.starts(2)
        bench.finish(2)
        await permit(pool)
        await bench.starts()
        bench.finish()
        await _settled(worker)
    assert (bench.done, worker.jobs_complete, worker.jobs_failed) == (3, 3, 0)
    assert await pool.keys() == [f"{worker.queue_name}:health-check".encode()], "nothing is left"


async def test_no_more_permits_are_taken_than_there_are_slots(pool: ArqRedis) -> None:
    bench = Bench()
    worker = QueueWorker(pool, Queue.MAIL, bench, slots=3)
    async with at_work(worker):
        await permit(pool, 5)
        await bench.starts(3)
        assert await pool.zcard(MAIL) == 2, "others may take these"
        bench.finish()
        await bench.starts()
        assert await pool.zcard(MAIL) == 1
        bench.finish(4)
        await bench.starts()
        await _settled(worker)
    assert (bench.most, bench.done) == (3, 5)


async def test_a_permit_that_is_given_again_while_it_runs_is_another_job(pool: ArqRedis) -> None:
    bench = Bench()
    worker = QueueWorker(pool, Queue.MAIL, bench, slots=2)
    async with at_work(worker):
        for _ in range(2):
            await pool.zadd(MAIL, {"the same": 1.0})
            await bench.starts()
        assert len(worker.tasks) == 2
        bench.finish(2)
        await _settled(worker)
    assert worker.jobs_complete == 2


async def test_permits_for_other_code_are_left_to_it(pool: ArqRedis) -> None:
    newer = permits(SendDeliveryTask.terms.model_copy(update={"version": 2}))
    bench = Bench()
    worker = QueueWorker(pool, Queue.MAIL, bench, slots=4)
    async with at_work(worker):
        await pool.zadd(newer, {"for newer code": 1.0})
        await permit(pool)
        await bench.starts()
        bench.finish()
        await _settled(worker)
    assert (bench.done, await pool.zcard(newer)) == (1, 1)


@dataclass
class FirstBreaks(Bench):
    """Where the first job ends in a way that nobody has foreseen."""

    broke: bool = False

    async def __call__(self, queue: Queue) -> None:
        if not self.broke:
            self.broke = True
            raise MemoryError
        await super().__call__(queue)


async def test_a_job_that_breaks_arq_does_not_end_its_worker(pool: ArqRedis) -> None:
    bench = FirstBreaks()
    worker = QueueWorker(pool, Queue.MAIL, bench, slots=1)
    async with at_work(worker):
        await permit(pool, 2)
        await bench.starts()
        bench.finish()
        await _settled(worker)
    assert (worker.jobs_failed, worker.jobs_complete) == (1, 1)


@pytest.mark.parametrize(("lets_finish", "outcome"), [(True, (1, 0)), (False, (0, 1))])
async def test_draining_lets_jobs_finish_and_then_stops_them(
    pool: ArqRedis, *, lets_finish: bool, outcome: tuple[int, int]
) -> None:
    bench = Bench()
    worker = QueueWorker(pool, Queue.MAIL, bench, slots=1)
    async with at_work(worker):
        await permit(pool)
        await bench.starts()
    if lets_finish:
        bench.finish()
    async with asyncio.timeout(5):
        await drain([worker], seconds=0.05)
    assert (bench.done, bench.stopped) == outcome
    assert worker.tasks == {}


async def test_an_outage_of_redis_is_survived(own_redis: Server, figures: Figures) -> None:
    outage = figures.scale(0, 30)
    bench = Bench()
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    async with arq_pool(own_redis.url) as pool:
        worker = QueueWorker(pool, Queue.MAIL, bench, slots=4)
        async with at_work(worker):
            await permit(pool)
            await bench.starts()
            await own_redis.kill()
            bench.finish()
            await asyncio.sleep(outage)  # an outage has a length
            await own_redis.start()
            await _given(own_redis.url)
            await bench.starts()
            bench.finish()
            await _settled(worker)
    logger.remove(sink)
    assert bench.done == 2
    assert len(lines) <= 1, "it is said once"
    figures.show("Redis away, worker process goes on", f"{outage} s")


async def _given(url: str) -> None:
    async with Redis.from_url(url) as redis:
        await permit(redis)


async def _settled(worker: QueueWorker) -> None:
    """Wait until arq has ended all its calls."""
    async with asyncio.timeout(5):
        while worker.tasks:
            await asyncio.wait(set(worker.tasks.values()))
            await asyncio.sleep(0)
