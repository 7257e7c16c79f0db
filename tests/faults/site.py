"""Worker processes that the fault tests kill, and the API's side of what they work on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.queue import ArqQueue
from db.database import SqlDatabase, create_engine
from domain.jobs import Priority, Task
from tests.factories import a_story, an_account
from tests.faults.nursery import Child
from usecases.stories.write_story import WriteStoryTask

LEASE_SECONDS = 1.0
TAKEN_OVER = LEASE_SECONDS + 2
"""Seconds within which the job of a dead worker runs again."""

DRAIN_SECONDS = 1.0
QUICK_PACE = 0.25
PACE = 1.0
"""Seconds between two looks of a relay: the second is the service's own."""

SETTINGS = "tests.faults.jobs_worker.WorkerSettings"


@dataclass
class Worker:
    """A real arq process. What it says is kept with the moment when it was heard."""

    process: Child
    heard: list[tuple[float, str]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _read: int = 0

    @classmethod
    async def started(cls, environment: dict[str, str]) -> Self:
        """Start one; it is ready when it says so."""
        return cls(await Child.born("arq.cli:cli", [SETTINGS], environment))

    async def listen(self) -> None:
        """Hear what it says, until it ends."""
        while line := await self.process.stdout.readline():
            async with self.news:
                self.heard.append((asyncio.get_running_loop().time(), line.decode().strip()))
                self.news.notify_all()

    async def says(self, event: str, within: float = 10) -> float:
        """Wait until it says that next; tell when. Raises TimeoutError, or AssertionError."""
        async with asyncio.timeout(within), self.news:
            await self.news.wait_for(lambda: len(self.heard) > self._read)
        moment, said = self.heard[self._read]
        self._read += 1
        assert said == event
        return moment

    async def mentions(self, event: str, within: float = 10) -> float:
        """Wait until it says, or has said, that; tell when. Raises TimeoutError."""
        async with asyncio.timeout(within), self.news:
            await self.news.wait_for(lambda: event in self.said)
        return self.heard[self.said.index(event)][0]

    @property
    def said(self) -> list[str]:
        """All that it has said so far."""
        return [event for _, event in self.heard]

    async def leaves(self) -> None:
        """Make it stop as a deployment does."""
        self.process.terminate()
        await self.ends()

    async def ends(self, within: float = DRAIN_SECONDS + 2) -> None:
        """See that it ends in order, and in time."""
        async with asyncio.timeout(within):
            assert await self.process.wait() == 0

    async def dies(self) -> float:
        """End it as a power cut would; tell when."""
        self.process.kill()
        await self.process.wait()
        return asyncio.get_running_loop().time()

    def go_on(self) -> None:
        """Let one story of its go on."""
        self.process.stdin.write(b"go\n")


@dataclass
class Site:
    """Servers, and the API's side of them."""

    engine: AsyncEngine
    database: SqlDatabase
    redis: Redis
    environment: dict[str, str]
    start_worker: Callable[..., Coroutine[Any, Any, Worker]]

    async def ask_for_story(self, database: SqlDatabase | None = None) -> tuple[UUID, UUID]:
        """Return the ids of a story and of the job that is to write it."""
        account = an_account()
        story = a_story(account.id)
        async with (database or self.database).begin() as work:
            await work.accounts.add(account)
            await work.stories.add(story)
            job = await work.jobs.add(WriteStoryTask(story_id=story.id), account_id=account.id)
        return story.id, job.id

    async def promise(
        self, *tasks: Task, account_id: UUID | None = None, priority: Priority | None = None
    ) -> list[UUID]:
        """Return the ids of jobs that wait from now on."""
        async with self.database.begin() as work:
            return [
                (await work.jobs.add(task, account_id=account_id, priority=priority)).id
                for task in tasks
            ]

    async def account(self) -> UUID:
        """Return the id of somebody."""
        account = an_account()
        async with self.database.begin() as work:
            await work.accounts.add(account)
        return account.id

    async def state(self, job_id: UUID) -> str:
        """Return where the job stands."""
        async with self.engine.connect() as connection:
            query = text("SELECT state FROM jobs WHERE id = :id")
            return str(await connection.scalar(query, {"id": job_id}))

    async def count(self, condition: str = "true") -> int:
        """Count jobs."""
        async with self.engine.connect() as connection:
            query = text(f"SELECT count(*) FROM jobs WHERE {condition}")  # noqa: S608 - our own
            return int(await connection.scalar(query) or 0)

    async def all_done(self, within: float = 30) -> None:
        """Wait until no job waits or runs."""
        async with asyncio.timeout(within):
            while await self.count("state IN ('scheduled', 'queued', 'running')"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # only the table tells

    async def chapters(self, story_id: UUID) -> int:
        """Count what was written."""
        async with self.database.begin() as work:
            return len(await work.stories.chapters(story_id))


@asynccontextmanager
async def open_site(
    postgres_url: str, redis_url: str, pace: float = QUICK_PACE
) -> AsyncIterator[Site]:
    """Open a site on these servers, whose relays look so often; its workers end with the block."""
    async with AsyncExitStack() as stack:
        engine = create_engine(postgres_url)
        stack.push_async_callback(engine.dispose)
        redis = await stack.enter_async_context(Redis.from_url(redis_url))
        environment = {
            "DATABASE_URL": postgres_url,
            "REDIS_URL": redis_url,
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "DRAIN_SECONDS": str(DRAIN_SECONDS),
            "PACE": str(pace),
        }

        async def start_worker(**special: str) -> Worker:
            worker = await Worker.started(environment | special)
            listening = asyncio.create_task(worker.listen())
            stack.push_async_callback(_end, worker, listening)
            await worker.says("ready")
            return worker

        database = SqlDatabase(engine, ArqQueue(redis))
        yield Site(engine, database, redis, environment, start_worker)


async def _end(worker: Worker, listening: "asyncio.Task[None]") -> None:
    if worker.process.returncode is None:
        worker.process.kill()
    await listening
    await worker.process.wait()
