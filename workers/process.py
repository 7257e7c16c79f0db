"""arq's part: it starts and stops the process, and in it a worker for each queue."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from math import inf
from socket import gethostname
from typing import Any

from arq.connections import ArqRedis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff

from adapters.listening import stop
from adapters.queue import arq_redis, arq_redis_settings, pack, unpack
from adapters.redis_pool import patient_pool
from bootstrap.collector import look_seldom
from domain.jobs import Queue
from workers.queue_worker import NOTHING, QueueWorker, Work, drain

Crew = Callable[[], AbstractAsyncContextManager[Work]]
"""Opens all that a worker works with, and closes it when the worker ends."""

HOST = "storyloom:host"
"""The queue of arq's own worker, which is always empty: what it runs are the others."""

LIFE_SECONDS = 10
"""How often arq's own worker shows that it lives; it has nothing else to do."""

TRIES_AT_START = 60
"""A process that finds no Redis ends after half a minute; one that lives waits for ever."""

FOR_EVER = Retry(ExponentialBackoff(cap=1, base=0.05), retries=-1)
NEVER = Retry(NoBackoff(), retries=0)


def arq_settings(
    redis_url: str, crew: Crew, *, slots: Mapping[Queue, int], drain_seconds: float
) -> dict[str, Any]:
    """Return what arq's worker needs to serve these queues, each with its number of jobs at once.

    When it must stop, jobs have `drain_seconds` to come to their end; then they are handed back.
    """
    pool = patient_pool(redis_url)
    pool.tries = TRIES_AT_START
    host, running = HostRedis(pool), AsyncExitStack()

    async def start(_: dict[str, Any]) -> None:
        logging.getLogger("arq").setLevel(logging.WARNING)  # the runner says more of each job
        host.set_retry(FOR_EVER)
        pool.tries = inf
        _heed_signals()
        work = await running.enter_async_context(crew())
        await running.enter_async_context(_serving(redis_url, slots, work, drain_seconds))
        look_seldom()

    async def close(_: dict[str, Any]) -> None:
        await running.aclose()

    return {
        "functions": [NOTHING],
        "queue_name": HOST,
        "health_check_key": f"{HOST}:{gethostname()}:health-check",
        "health_check_interval": LIFE_SECONDS,
        "poll_delay": LIFE_SECONDS + 0.1,
        "redis_pool": host,
        "redis_settings": arq_redis_settings(redis_url),
        "job_serializer": pack,
        "job_deserializer": unpack,
        "on_startup": start,
        "on_shutdown": close,
    }


class HostRedis(ArqRedis):
    """What arq's worker of the process speaks to Redis with: an outage must not end the process."""

    async def psetex(self, name: Any, time_ms: Any, value: Any) -> Any:  # noqa: ANN401
        """Show life for twice as long as arq, to which a sign must not be a second late."""
        return await super().psetex(name, 2 * time_ms, value)

    async def delete(self, *_: Any) -> None:  # noqa: ANN401
        """Leave the sign of life, which arq removes as it stops: workers of a host share it."""


def _heed_signals() -> None:
    """Let a signal end the process, whatever it was at: arq would cancel it once."""
    loop, main, stopping = asyncio.get_running_loop(), asyncio.current_task(), set()

    def end() -> None:
        if main is not None:
            stopping.add(loop.create_task(stop(main)))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)


@asynccontextmanager
async def _serving(
    redis_url: str, slots: Mapping[Queue, int], work: Work, drain_seconds: float
) -> AsyncIterator[None]:
    redis, in_use = arq_redis(redis_url), {terms.queue for terms in work.known}
    workers = [
        QueueWorker(redis, queue, work, count) for queue, count in slots.items() if queue in in_use
    ]
    working = [asyncio.create_task(worker.work()) for worker in workers]
    try:
        yield
    finally:
        await asyncio.gather(*(stop(task) for task in working))
        redis.set_retry(NEVER)  # what arq cannot clear up at once runs out
        await drain(workers, drain_seconds)
        await redis.aclose(close_connection_pool=True)
