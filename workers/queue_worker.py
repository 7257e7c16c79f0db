"""arq's worker, woken the moment there is work instead of asking for it again and again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

from arq import Worker, func
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from loguru import logger
from redis.exceptions import RedisError

from adapters.queue import arq_queue, pack, unpack
from domain.jobs import Queue
from workers.runner import describe

FUNCTION = "take_job"
"""The one function of a queue: a permit names no job, so the call has no arguments."""

BLOCK_SECONDS = 1
"""How long Redis is let wait for a permit at a time: less than it may be silent."""

RESTART_SECONDS = 0.5

CALL_SECONDS = 60
"""How long a stored call is kept: it is read in the next moment."""

LONGEST_JOB_SECONDS = 24 * 60 * 60
"""Jobs have time-outs of their own: arq's would end one as if the worker had to stop."""

Run = Callable[[Queue], Awaitable[None]]
"""Runs the job of a queue whose turn it is, if there is one."""


class QueueWorker(Worker):
    """Runs the jobs of one queue, up to `slots` at once: arq in all but how it gets its work.

    A permit is popped from Redis for good, as it stands for a job that PostgreSQL knows.
    """

    def __init__(self, redis: ArqRedis, queue: Queue, run: Run, slots: int) -> None:
        async def take_job(ctx: dict[str, Any]) -> None:  # noqa: ARG001 - arq's own
            await run(queue)

        super().__init__(
            [func(take_job, name=FUNCTION, keep_result=0, timeout=LONGEST_JOB_SECONDS)],
            queue_name=arq_queue(queue),
            redis_pool=redis,
            handle_signals=False,
            max_jobs=slots,
            poll_delay=0,
            health_check_interval=60,
            job_serializer=pack,
            job_deserializer=unpack,
        )
        self._ended = asyncio.Event()
        self._failing = False

    async def work(self) -> None:
        """Take permits until cancelled, over all faults of Redis."""
        while True:
            try:
                await self.async_run()
            except Exception as error:  # noqa: BLE001 - an outage; it is said once
                if not self._failing:
                    logger.bind(queue=self.queue_name, error=describe(error)).warning(
                        "Worker cannot be woken"
                    )
                self._failing = True
            await asyncio.sleep(RESTART_SECONDS)

    async def _poll_iteration(self) -> None:
        """Start the next job that there is a permit for; come back now and then without one."""
        await self._slot()
        popped = await self.pool.bzpopmin(self.queue_name, timeout=BLOCK_SECONDS)
        self._failing = False
        if popped is not None:
            await self._start(woken_ms=int(popped[2]))
        await self.heart_beat()

    async def _slot(self) -> None:
        """Wait until fewer jobs run than may."""
        while self.job_counter >= self.max_jobs:
            self._ended.clear()
            await self._ended.wait()

    async def _start(self, woken_ms: int) -> None:
        # Under a name of its own: the same permit may be given again while this job runs.
        call = uuid4().hex
        message = serialize_job(FUNCTION, (), {}, None, woken_ms, serializer=pack)
        await self.pool.set(job_key_prefix + call, message, ex=CALL_SECONDS)
        await self.sem.acquire()
        self.job_counter += 1
        self.tasks[call] = task = self.loop.create_task(self.run_job(call, woken_ms))
        task.add_done_callback(lambda _: self._end(call))

    def _end(self, call: str) -> None:
        self._release_sem_dec_counter_on_complete()
        self._ended.set()
        task = self.tasks.pop(call)
        # Of an outage tells who polls; what arq could not clear up in it runs out.
        error = None if task.cancelled() else task.exception()
        if error and not isinstance(error, RedisError | OSError):
            logger.bind(queue=self.queue_name, error=describe(error)).warning("Call not completed")


async def drain(workers: Sequence[QueueWorker], seconds: float) -> None:
    """Let the jobs of workers that take no more come to their end; stop what takes too long."""
    running = {task for worker in workers for task in worker.tasks.values()}
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=seconds)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
