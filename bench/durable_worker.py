"""Our worker with a job that does nothing: `arq bench.durable_worker.WorkerSettings`."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import ClassVar

import uvloop
from loguru import logger
from redis.asyncio import Redis

from adapters.queue import ArqQueue
from db.database import create_engine
from db.job_desk import SqlJobDesk
from domain.jobs import Lease, Queue, RetryPolicy, Task, Terms
from workers.crew import at_work
from workers.maintenance import SCHEDULES
from workers.process import arq_settings
from workers.relay import Relay
from workers.runner import Handler, Runner


class Note(Task):
    """Say when it began."""

    terms: ClassVar[Terms] = Terms(
        kind="note",
        queue=Queue.STORIES,
        retry=RetryPolicy(attempts=3),
        timeout=timedelta(minutes=1),
        unique_by=("number",),
    )
    number: int


async def note(task: Note, _: Lease) -> None:
    """Say when it began."""
    sys.stdout.write(f"{task.number} {time.monotonic()}\n")
    sys.stdout.flush()


@asynccontextmanager
async def _crew() -> AsyncIterator[Runner]:
    logger.remove()
    engine = create_engine(os.environ["DATABASE_URL"], application_name="storyloom bench")
    async with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        desk, queue = SqlJobDesk(engine), ArqQueue(redis)
        runner = Runner(desk, queue, [Handler(Note, note)])
        async with at_work(runner, Relay(desk, queue, runner.known, SCHEDULES), [], redis):
            yield runner
    await engine.dispose()


def __getattr__(name: str) -> dict[str, object]:
    """Make WorkerSettings when arq asks for them, as `workers` does."""
    if name != "WorkerSettings":
        raise AttributeError(name)
    asyncio.set_event_loop(uvloop.new_event_loop())
    slots = dict.fromkeys(Queue, 10)
    return arq_settings(os.environ["REDIS_URL"], _crew, slots=slots, drain_seconds=1)
