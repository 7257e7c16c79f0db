"""A worker process for the fault tests: real in all but what its jobs do.

It says on its output what happens, a line each. A story goes on when its input says `go`.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

CLOCK_SHIFT = float(os.environ.get("CLOCK_SHIFT", "0"))
"""Seconds by which this machine's clock is wrong."""

true_time = time.time
time.time = lambda: true_time() + CLOCK_SHIFT

# What follows reads the clock that was set above.
from redis.asyncio import Redis  # noqa: E402
from sqlalchemy import text  # noqa: E402
from sqlalchemy.ext.asyncio import AsyncSession  # noqa: E402

from adapters.queue import ArqQueue  # noqa: E402
from adapters.redis_pool import patient_pool  # noqa: E402
from db.database import SqlDatabase, create_engine  # noqa: E402
from db.job_desk import SqlJobDesk  # noqa: E402
from db.jobs import hold  # noqa: E402
from db.provider_slots import SqlProviderSlots  # noqa: E402
from domain.jobs import Lease, Queue, Schedule  # noqa: E402
from domain.stories import Chapter  # noqa: E402
from tests.faults.errands import (  # noqa: E402
    CALLS_AT_ONCE,
    Call,
    Deed,
    Doomed,
    Errand,
    Hurried,
    NewErrand,
    Novelty,
    Tick,
)
from usecases.ports.jobs import Retry  # noqa: E402
from usecases.stories.write_story import WriteStoryTask  # noqa: E402
from workers.crew import at_work  # noqa: E402
from workers.process import arq_settings  # noqa: E402
from workers.relay import Relay  # noqa: E402
from workers.runner import Handler, Runner  # noqa: E402

MARK = text("UPDATE jobs SET progress = progress + 1 WHERE id = :id AND progress = 0 RETURNING id")
LEASE = timedelta(seconds=float(os.environ["LEASE_SECONDS"]))
REDIS_URL = os.environ["REDIS_URL"]
SILENCE = timedelta(seconds=float(os.environ.get("SILENCE", "5")))
SLOTS = int(os.environ.get("SLOTS", "4"))
PACE = timedelta(seconds=float(os.environ["PACE"]))
"""How often the relay looks, and when a wake-up counts as lost."""

SCHEDULES = [Schedule(name="tick", every=timedelta(seconds=1), task=Tick())]
if not os.environ.get("TICKS"):
    SCHEDULES = []


def say(event: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{event}\n")
    sys.stdout.flush()


async def do(errand: Errand, lease: Lease) -> None:
    say(f"{errand.name} attempt {lease.attempt}")
    try:
        await asyncio.sleep(errand.seconds)
    except asyncio.CancelledError:
        say(f"{errand.name} stopped")
        raise
    say(f"{errand.name} done")


async def fail(errand: Errand, lease: Lease) -> None:
    say(f"{errand.name} attempt {lease.attempt}")
    raise Retry("the shop is closed")


async def give_up(errand: Errand, _: Lease, reason: str) -> None:
    say(f"{errand.name} abandoned: {reason}")


async def strike(_: Tick, __: Lease) -> None:
    say("tick")


@asynccontextmanager
async def _crew() -> AsyncIterator[Runner]:
    engine = create_engine(
        os.environ["DATABASE_URL"], statement_timeout=2 * SILENCE, silence=SILENCE
    )
    redis = Redis.from_pool(patient_pool(REDIS_URL))
    queue = ArqQueue(redis)
    database, desk = SqlDatabase(engine, queue), SqlJobDesk(engine, LEASE, wake_again=PACE)
    slots = SqlProviderSlots(engine, {"shop": CALLS_AT_ONCE})
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )

    async def write(task: WriteStoryTask, lease: Lease) -> None:
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

    async def call(errand: Call, _: Lease) -> None:
        async with slots.hold("shop"):
            reader, writer = await asyncio.open_connection("127.0.0.1", errand.port)
            await reader.read()
            writer.close()
        say(f"{errand.name} done")

    async def accomplish(deed: Deed, lease: Lease) -> None:
        await do(deed, lease)
        async with AsyncSession(engine) as session, session.begin():
            await hold(session, lease)
            marked = await session.scalar(MARK, {"id": lease.job_id})
        if marked:
            say(f"{deed.name} marked")

    handlers = [
        Handler(WriteStoryTask, write),
        Handler(Errand, do, give_up),
        Handler(Doomed, fail, give_up),
        Handler(Hurried, fail, give_up),
        Handler(Call, call, give_up),
        Handler(Deed, accomplish),
        Handler(Tick, strike),
    ]
    if os.environ.get("IS_NEW"):
        handlers += [Handler(NewErrand, do), Handler(Novelty, do)]
    runner = Runner(desk, queue, handlers, beat=LEASE / 3)
    relay = Relay(desk, queue, runner.known, SCHEDULES, PACE)
    async with at_work(runner, relay, [], redis):
        say("ready")
        yield runner
    await redis.aclose()
    await engine.dispose()


WorkerSettings = arq_settings(
    REDIS_URL,
    _crew,
    slots=dict.fromkeys(Queue, SLOTS),
    drain_seconds=float(os.environ["DRAIN_SECONDS"]),
)
