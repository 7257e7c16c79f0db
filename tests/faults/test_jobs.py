"""Jobs survive what happens to their workers, their queue and their database."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.heartbeat import live_workers
from adapters.queue import ArqQueue
from db.database import SqlDatabase, create_engine
from db.jobs import SqlJobDesk
from domain.jobs import WriteStory
from tests.factories import a_story, an_account
from tests.fakes.database import FakeJobQueue
from tests.servers import Server

ROOT = Path(__file__).parents[2]
LEASE_SECONDS = 1.0
DRAIN_SECONDS = 1.0


@dataclass
class Worker:
    """A real arq process."""

    process: Process

    async def says(self, event: str, within: float = 10) -> None:
        """Wait until it says so. Raises TimeoutError, or AssertionError for anything else."""
        assert self.process.stdout is not None
        async with asyncio.timeout(within):
            line = await self.process.stdout.readline()
        assert line.decode().strip() == event

    async def leaves(self) -> None:
        """Make it stop as a deployment does."""
        self.process.terminate()
        await self.ends()

    async def ends(self) -> None:
        """See that it ends in order, and in time."""
        async with asyncio.timeout(DRAIN_SECONDS + 2):
            assert await self.process.wait() == 0

    def go_on(self) -> None:
        """Let one job of its go on."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")


@dataclass
class Site:
    """Servers, and the API's side of them."""

    engine: AsyncEngine
    database: SqlDatabase
    desk: SqlJobDesk
    redis: Redis
    start_worker: Callable[[], Coroutine[Any, Any, Worker]]

    async def ask_for_story(self, database: SqlDatabase | None = None) -> tuple[UUID, UUID]:
        """Return the ids of a story and of the job that is to write it."""
        account = an_account()
        story = a_story(account.id)
        async with (database or self.database).begin() as work:
            await work.accounts.add(account)
            await work.stories.add(story)
            job = await work.jobs.add(WriteStory(story_id=story.id), dedupe_key=f"story:{story.id}")
        return story.id, job.id

    async def state(self, job_id: UUID) -> str:
        """Return where the job stands."""
        async with self.engine.connect() as connection:
            query = text("SELECT state FROM jobs WHERE id = :id")
            return str(await connection.scalar(query, {"id": job_id}))

    async def chapters(self, story_id: UUID) -> int:
        """Count what was written."""
        async with self.database.begin() as work:
            return len(await work.stories.chapters(story_id))


@asynccontextmanager
async def _site(postgres_url: str, redis_url: str) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        engine = create_engine(postgres_url)
        stack.push_async_callback(engine.dispose)
        redis = await stack.enter_async_context(Redis.from_url(redis_url))

        async def start_worker() -> Worker:
            process = await asyncio.create_subprocess_exec(
                Path(sys.executable).with_name("arq"),
                "tests.faults.jobs_worker.WorkerSettings",
                cwd=ROOT,
                stdin=PIPE,
                stdout=PIPE,
                env={
                    "DATABASE_URL": postgres_url,
                    "REDIS_URL": redis_url,
                    "LEASE_SECONDS": str(LEASE_SECONDS),
                    "DRAIN_SECONDS": str(DRAIN_SECONDS),
                },
            )
            stack.push_async_callback(_end, process)
            worker = Worker(process)
            await worker.says("ready")
            return worker

        yield Site(
            engine,
            SqlDatabase(engine, ArqQueue(redis)),
            SqlJobDesk(engine),
            redis,
            start_worker,
        )


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


@pytest.fixture
async def site(postgres_url: str, redis_url: str) -> AsyncIterator[Site]:
    async with _site(postgres_url, redis_url) as site:
        yield site


async def test_a_job_is_done_by_a_worker_process(site: Site) -> None:
    worker = await site.start_worker()
    story_id, job_id = await site.ask_for_story()
    await worker.says("started attempt 1")
    assert await live_workers(site.redis) == 1
    worker.go_on()
    await worker.says("written")
    await worker.leaves()

    assert await site.state(job_id) == "done"
    assert await site.chapters(story_id) == 1
    assert await live_workers(site.redis) == 0


async def test_a_job_whose_worker_is_killed_is_taken_over(site: Site) -> None:
    first, second = await asyncio.gather(site.start_worker(), site.start_worker())
    story_id, _ = await site.ask_for_story()
    doomed, heir = await _who_starts(first, second)
    doomed.process.kill()

    await heir.says("started attempt 2", within=LEASE_SECONDS + 2)
    heir.go_on()
    await heir.says("written")
    assert await site.chapters(story_id) == 1


async def test_a_worker_that_was_paused_writes_nothing_afterwards(site: Site) -> None:
    first, second = await asyncio.gather(site.start_worker(), site.start_worker())
    story_id, _ = await site.ask_for_story()
    paused, heir = await _who_starts(first, second)
    paused.process.send_signal(signal.SIGSTOP)
    await heir.says("started attempt 2", within=LEASE_SECONDS + 2)
    heir.go_on()
    await heir.says("written")

    paused.go_on()
    paused.process.send_signal(signal.SIGCONT)
    await paused.leaves()
    assert paused.process.stdout is not None
    async with asyncio.timeout(1):
        rest = await paused.process.stdout.read()
    assert b"written" not in rest
    assert await site.chapters(story_id) == 1


async def test_a_job_that_nobody_was_woken_for_is_found(site: Site) -> None:
    worker = await site.start_worker()
    died_after_commit = SqlDatabase(site.engine, FakeJobQueue())
    await site.ask_for_story(died_after_commit)
    await worker.says("started attempt 1", within=2)


async def test_a_job_survives_a_flushed_redis(site: Site) -> None:
    story_id, _ = await site.ask_for_story()
    await site.redis.flushdb()
    worker = await site.start_worker()
    await worker.says("started attempt 1")
    await site.redis.flushdb()
    worker.go_on()
    await worker.says("written")
    assert await site.chapters(story_id) == 1


async def test_a_canceled_job_stops_within_a_second(site: Site) -> None:
    worker = await site.start_worker()
    story_id, job_id = await site.ask_for_story()
    await worker.says("started attempt 1")
    async with site.database.begin() as work:
        await work.jobs.cancel(f"story:{story_id}")

    await worker.says("stopped", within=1)
    assert await site.desk.claim(job_id) is None
    other_story, _ = await site.ask_for_story()
    await worker.says("started attempt 1")
    worker.go_on()
    await worker.says("written")
    assert (await site.chapters(story_id), await site.chapters(other_story)) == (0, 1)


async def test_a_worker_that_must_stop_lets_its_job_come_to_its_end(site: Site) -> None:
    worker = await site.start_worker()
    story_id, job_id = await site.ask_for_story()
    await worker.says("started attempt 1")
    worker.process.terminate()
    worker.go_on()

    await worker.says("written", within=DRAIN_SECONDS)
    await worker.ends()
    assert await site.state(job_id) == "done"
    assert await site.chapters(story_id) == 1


async def test_a_worker_that_must_stop_hands_an_unfinished_job_back(site: Site) -> None:
    first, second = await asyncio.gather(site.start_worker(), site.start_worker())
    story_id, _ = await site.ask_for_story()
    leaving, heir = await _who_starts(first, second)
    leaving.process.terminate()
    await leaving.says("stopped", within=DRAIN_SECONDS + 1)

    await heir.says("started attempt 1", within=0.9)
    await leaving.ends()
    heir.go_on()
    await heir.says("written")
    assert await site.chapters(story_id) == 1


async def test_workers_outlive_a_restart_of_redis(postgres_url: str, own_redis: Server) -> None:
    async with _site(postgres_url, own_redis.url) as site:
        worker = await site.start_worker()
        story_id, _ = await site.ask_for_story()
        await worker.says("started attempt 1")
        await own_redis.restart()
        worker.go_on()
        await worker.says("written")

        later, _ = await site.ask_for_story()
        await worker.says("started attempt 1")
        worker.go_on()
        await worker.says("written")
        assert worker.process.returncode is None
        assert (await site.chapters(story_id), await site.chapters(later)) == (1, 1)


async def test_a_story_asked_for_while_redis_is_away_is_written(
    postgres_url: str, own_redis: Server
) -> None:
    async with _site(postgres_url, own_redis.url) as site:
        worker = await site.start_worker()
        await own_redis.kill()
        story_id, _ = await site.ask_for_story()
        await own_redis.start()
        await worker.says("started attempt 1")
        worker.go_on()
        await worker.says("written")
        assert await site.chapters(story_id) == 1


async def test_workers_outlive_a_crash_of_postgresql(own_postgres: Server, redis_url: str) -> None:
    async with _site(own_postgres.url, redis_url) as site:
        worker = await site.start_worker()
        story_id, job_id = await site.ask_for_story()
        await worker.says("started attempt 1")
        await own_postgres.kill()
        await own_postgres.start()
        worker.go_on()
        await worker.says("written")
        await worker.leaves()
        assert await site.state(job_id) == "done"
        assert await site.chapters(story_id) == 1


async def _who_starts(first: Worker, second: Worker) -> tuple[Worker, Worker]:
    """Return the worker that has the job, then the other."""
    reading = {
        asyncio.create_task(worker.says("started attempt 1")): (worker, other)
        for worker, other in ((first, second), (second, first))
    }
    done, pending = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
        await asyncio.wait({task})
    (task,) = done
    await task
    return reading[task]
