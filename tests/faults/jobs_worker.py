"""A worker process for the fault tests: real in all but what its jobs do.

It says on its output what happens, a line each. A story goes on when its input says `go`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from adapters.queue import ArqQueue
from adapters.redis_pool import patient_pool
from db.database import SqlDatabase, create_engine
from db.job_desk import SqlJobDesk
from db.jobs import hold
from db.provider_slots import SqlProviderSlots
from domain.jobs import Lease, Queue, Schedule
from domain.stories import Chapter
from tests.faults.errands import (
    CALLS_AT_ONCE,
    Call,
    Deed,
    Doomed,
    Errand,
    Hurried,
    NewErrand,
    Novelty,
    Stroke,
    Tick,
)
from tests.faults.wrong_clock import put_wrong
from usecases.ports.jobs import Retry
from usecases.ports.transactions import LeaseLost
from usecases.stories.write_story import WriteStoryTask
from workers.crew import at_work
from workers.process import arq_settings
from workers.relay import Relay
from workers.runner import Handler, Runner

MARK = text("UPDATE jobs SET progress = progress + 1 WHERE id = :id AND progress = 0 RETURNING id")
ADD = text("UPDATE jobs SET progress = progress + 1 WHERE id = :id")
LEASE = timedelta(seconds=float(os.environ["LEASE_SECONDS"]))
BEAT = timedelta(seconds=float(os.environ["BEAT"])) if "BEAT" in os.environ else LEASE / 3
REDIS_URL = os.environ["REDIS_URL"]
SILENCE = timedelta(seconds=float(os.environ.get("SILENCE", "5")))
SLOTS = int(os.environ.get("SLOTS", "4"))
PACE = timedelta(seconds=float(os.environ["PACE"]))
"""How often the relay looks, and when a wake-up counts as lost."""

CLOCK_SHIFT = timedelta(seconds=float(os.environ.get("CLOCK_SHIFT", "0")))
"""By how much this machine's clock is wrong."""

SCHEDULES = [Schedule(name="tick", every=timedelta(seconds=1), task=Tick())]
if not os.environ.get("TICKS"):
    SCHEDULES = []


def say(event: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{event}\n")
    sys.stdout.flush()


@contextmanager
def telling(effect: str) -> Iterator[None]:
    """Tell the test what was written, or that it was refused."""
    try:
        yield
    except LeaseLost:
        say(f"{effect} refused")
        raise
    say(effect)


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


async def tick(_: Tick, __: Lease) -> None:
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
        with telling("written"):
            async with database.begin(lease) as work:
                now = datetime.now(UTC)
                await work.stories.add_chapter(Chapter.of(task.story_id, 1, "One", "Once.", now))

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

    async def strike(stroke: Stroke, lease: Lease) -> None:
        await do(stroke, lease)
        with telling(f"{stroke.name} struck"):
            async with AsyncSession(engine) as session, session.begin():
                await hold(session, lease)
                await session.execute(ADD, {"id": lease.job_id})

    handlers = [
        Handler(WriteStoryTask, write),
        Handler(Errand, do, give_up),
        Handler(Doomed, fail, give_up),
        Handler(Hurried, fail, give_up),
        Handler(Call, call, give_up),
        Handler(Deed, accomplish),
        Handler(Stroke, strike),
        Handler(Tick, tick),
    ]
    if os.environ.get("IS_NEW"):
        handlers += [Handler(NewErrand, do), Handler(Novelty, do)]
    runner = Runner(desk, queue, handlers, beat=BEAT)
    relay = Relay(desk, queue, runner.known, SCHEDULES, PACE)
    async with at_work(runner, relay, [], redis):
        say("ready")
        yield runner
    await redis.aclose()
    await engine.dispose()


if CLOCK_SHIFT:
    put_wrong(CLOCK_SHIFT)
WorkerSettings = arq_settings(
    REDIS_URL,
    _crew,
    slots=dict.fromkeys(Queue, SLOTS),
    drain_seconds=float(os.environ["DRAIN_SECONDS"]),
)
