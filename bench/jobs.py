"""How fast jobs are picked up and done, and what an idle worker costs: ours, and arq as it comes.

Ours are durable: promised in a transaction of PostgreSQL, with its disk flushes, claimed under a
lease and recorded as done. arq's are in Redis alone. Everything runs on this machine.
"""

import asyncio
import os
import secrets
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from uuid import UUID

from arq.connections import RedisSettings, create_pool
from redis.asyncio import Redis

from adapters.queue import ArqQueue
from bench.durable_worker import Note
from bench.vitals import Vitals
from bootstrap.engines import EmbeddedPostgres, EmbeddedRedis, free_port
from db.database import SqlDatabase, create_engine
from db.migrations import migrate
from domain.jobs import Job
from tests.servers import started

SAMPLES = 300
WARM_UP = 20
MANY = 2000
IDLE_SECONDS = 20
SETTLE_SECONDS = 10
LONGEST_PAUSE = 500
"""Milliseconds between two samples at most: as long as arq's longest poll, to be fair to it."""
ROOT = Path(__file__).parents[1]
ARQ = Path(sys.executable).with_name("arq")

MEDIAN_MS, LATE_MS, IDLE_PERCENT = 3, 10, 0.5
"""What ours must keep, on a machine that does nothing else."""

Promise = Callable[[Sequence[int]], Awaitable[float]]
"""Promises jobs of these numbers; tells when that was committed."""


@dataclass
class Worker:
    """A worker process that says when each job began."""

    process: Process
    output: asyncio.StreamReader
    began: dict[int, float] = field(default_factory=dict)

    async def starts(self, number: int) -> float:
        """Tell when it began that job."""
        while number not in self.began:
            said, moment = (await self.output.readline()).split()
            self.began[int(said)] = float(moment)
        return self.began[number]

    @property
    def cpu_seconds(self) -> float:
        """How much processor time it has used."""
        return Vitals.of(self.process.pid).cpu_seconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured of a kind of worker, in milliseconds, jobs a second and percent."""

    name: str
    median: float
    late: float
    rate: float
    idle: float


class TimedQueue(ArqQueue):
    """Notes when it is called, which is in the moment after the commit."""

    committed = 0.0

    async def wake(self, jobs: Sequence[Job]) -> None:
        """Wake workers."""
        self.committed = time.monotonic()
        await super().wake(jobs)

    async def call_off(self, job_ids: Sequence[UUID]) -> None:
        """Call no job off: none is cancelled here."""


async def measure(
    name: str, settings: str, idle: str, promise: Promise, environment: dict[str, str]
) -> Outcome:
    """Measure a kind of worker; `idle` names the settings of one that has nothing to do."""
    async with _worker(settings, environment) as worker:
        await promise([0])
        await worker.starts(0)
        waits = []
        for number in range(1, WARM_UP + SAMPLES + 1):
            await asyncio.sleep(secrets.randbelow(LONGEST_PAUSE) / 1000)
            committed = await promise([number])
            waits.append((await worker.starts(number) - committed) * 1000)
        waits = sorted(waits[WARM_UP:])
    numbers = range(10_000, 10_000 + MANY)
    await promise(numbers)
    async with _worker(settings, environment) as worker:
        moments = [await worker.starts(number) for number in numbers]
    async with _worker(idle, environment) as worker:
        await asyncio.sleep(SETTLE_SECONDS)
        before = worker.cpu_seconds
        await asyncio.sleep(IDLE_SECONDS)
        used = worker.cpu_seconds - before
    return Outcome(
        name,
        median=waits[len(waits) // 2],
        late=waits[len(waits) * 99 // 100],
        rate=MANY / (max(moments) - min(moments)),
        idle=used / IDLE_SECONDS * 100,
    )


@asynccontextmanager
async def _worker(settings: str, environment: dict[str, str]) -> AsyncIterator[Worker]:
    process = await asyncio.create_subprocess_exec(
        ARQ, settings, cwd=ROOT, env=os.environ | environment, stdout=PIPE, stderr=DEVNULL
    )
    try:
        yield Worker(process, cast("asyncio.StreamReader", process.stdout))
    finally:
        process.terminate()
        await process.wait()


async def ours(environment: dict[str, str]) -> Outcome:
    """Measure our worker."""
    engine = create_engine(environment["DATABASE_URL"])
    async with Redis.from_url(environment["REDIS_URL"]) as redis:
        queue = TimedQueue(redis)
        database = SqlDatabase(engine, queue)

        async def promise(numbers: Sequence[int]) -> float:
            async with database.begin() as work:
                for number in numbers:
                    await work.jobs.add(Note(number=number))
            return queue.committed

        outcome = await measure(
            "storyloom",
            "bench.durable_worker.WorkerSettings",
            "workers.WorkerSettings",
            promise,
            environment,
        )
    await engine.dispose()
    return outcome


async def plain(poll_delay: float, environment: dict[str, str]) -> Outcome:
    """Measure arq's own worker."""
    redis = await create_pool(RedisSettings.from_dsn(environment["REDIS_URL"]))

    async def promise(numbers: Sequence[int]) -> float:
        called = time.monotonic()
        for number in numbers:
            await redis.enqueue_job("note", number)
        return called

    settings = "bench.plain_worker.WorkerSettings"
    environment = environment | {"POLL_DELAY": str(poll_delay)}
    outcome = await measure(
        f"arq, poll_delay {poll_delay}", settings, settings, promise, environment
    )
    await redis.aclose()
    return outcome


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the figures, each with how it compares to the first."""
    first = outcomes[0]
    lines = [
        "| worker | pick-up p50 | pick-up p99 | empty jobs a second | idle CPU |",
        "| --- | --- | --- | --- | --- |",
    ]
    for outcome in outcomes:
        figures = (
            (outcome.median, first.median, "{:.1f} ms"),
            (outcome.late, first.late, "{:.1f} ms"),
            (outcome.rate, first.rate, "{:.0f}"),
            (outcome.idle, first.idle, "{:.2f} %"),
        )
        cells = [f"{form.format(here)} (x{here / of:.2f})" for here, of, form in figures]
        lines.append(f"| {outcome.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def missed(ours: Outcome) -> list[str]:
    """Return what our worker did not keep."""
    bounds = (
        ("pick-up p50", ours.median, MEDIAN_MS, "ms"),
        ("pick-up p99", ours.late, LATE_MS, "ms"),
        ("idle CPU", ours.idle, IDLE_PERCENT, "%"),
    )
    return [
        f"{what} is {seen:.2f} {unit}, not {most}"
        for what, seen, most, unit in bounds
        if seen > most
    ]


async def main() -> list[str]:
    """Measure, one after the other, and print the table; return what ours did not keep."""
    with TemporaryDirectory(prefix="storyloom-bench-") as home:
        postgres = await started(EmbeddedPostgres(Path(home) / "postgres", free_port(), {}))
        redis = await started(EmbeddedRedis(Path(home) / "redis", free_port()))
        try:
            await migrate(postgres.url)
            environment = {
                "DATABASE_URL": postgres.url,
                "REDIS_URL": redis.url,
                "SMTP_HOST": "127.0.0.1",
                "STORYLOOM_HOME": home,
            }
            outcomes = [
                await plain(0.5, environment),
                await plain(0.01, environment),
                await ours(environment),
            ]
        finally:
            await redis.stop()
            await postgres.stop()
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    faults = missed(outcomes[-1])
    sys.stdout.write(
        f"{os.cpu_count()} cores, load averages {load}\n\n{table(outcomes)}\n\n"
        f"{', '.join(faults) or 'Every bound was kept.'}\n"
    )
    return faults


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main()) else 0)
