"""A worker process for the fault tests: real in all but what its job does.

It says on its output what happens, a line each, and a job goes on when its input says `go`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from adapters.queue import ArqQueue
from db.database import SqlDatabase, create_engine
from db.jobs import SqlJobDesk
from domain.jobs import Lease, RetryPolicy, WriteStory
from domain.stories import Chapter
from workers.crew import at_work
from workers.process import arq_settings
from workers.relay import Relay
from workers.runner import Handler, Runner

LEASE = timedelta(seconds=float(os.environ["LEASE_SECONDS"]))
REDIS_URL = os.environ["REDIS_URL"]


class RealClock:
    """Tells the time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def say(event: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{event}\n")
    sys.stdout.flush()


@asynccontextmanager
async def _crew() -> AsyncIterator[Runner]:
    engine = create_engine(os.environ["DATABASE_URL"])
    redis = Redis.from_url(REDIS_URL)
    queue = ArqQueue(redis)
    database, desk = SqlDatabase(engine, queue), SqlJobDesk(engine, LEASE)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )

    async def write(task: WriteStory, lease: Lease) -> None:
        say(f"started attempt {lease.attempt}")
        try:
            await orders.readline()
        except asyncio.CancelledError:
            say("stopped")
            raise
        async with database.begin(lease) as work:
            now = datetime.now(UTC)
            await work.stories.add_chapter(Chapter.of(task.story_id, 1, "One", "Once.", now))
        say("written")

    async def abandon(_: WriteStory, __: Lease, reason: str) -> None:
        say(f"abandoned: {reason}")

    policy = RetryPolicy(attempts=5, first=timedelta(milliseconds=100))
    handlers = {"write_story": Handler(write, abandon, policy, timedelta(minutes=1))}
    runner = Runner(desk, handlers, RealClock(), beat=LEASE / 3)
    async with at_work(runner, Relay(desk, queue), [], redis):
        say("ready")
        yield runner
    await redis.aclose()
    await engine.dispose()


WorkerSettings = arq_settings(
    REDIS_URL, _crew, concurrency=4, drain_seconds=float(os.environ["DRAIN_SECONDS"])
)
