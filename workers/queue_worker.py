"""arq's worker, woken the moment there is work instead of asking for it again and again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

from arq import Worker, func
from arq.connections import ArqRedis
from loguru import logger

from adapters.queue import arq_queue
from domain.jobs import Queue
from workers.runner import describe

BLOCK_SECONDS = 1
"""How long Redis is let wait for a permit at a time: less than it may be silent."""

RESTART_SECONDS = 0.5

Run = Callable[[Queue], Awaitable[None]]
"""Runs the job of a queue whose turn it is, if there is one."""


async def nothing(ctx: dict[str, Any]) -> None:
    """Do nothing: arq starts no worker without a function."""


NOTHING = func(nothing, name="nothing")


class QueueWorker(Worker):
    """Runs the jobs of one queue, up to `slots` at once: arq in all but how it gets its work.

    arq stores each call in Redis and reads it there. Here a permit is popped for good, and names no
    call: it stands for a job that PostgreSQL knows.
    """

    def __init__(self, redis: ArqRedis, queue: Queue, run: Run, slots: int) -> None:
        super().__init__(
            [NOTHING],
            queue_name=arq_queue(queue),
            redis_pool=redis,
            handle_signals=False,
            max_jobs=slots,
            poll_delay=0,
            health_check_interval=60,
        )
        self._queue, self._run = queue, run
        self._slots = asyncio.Semaphore(slots)
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
        await self._slots.acquire()
        permit = None
        try:
            permit = await self.pool.bzpopmin(self.queue_name, timeout=BLOCK_SECONDS)
        finally:
            if permit is None:
                self._slots.release()
        self._failing = False
        if permit is not None:
            self._start(woken_ms=int(permit[2]))
        await self.heart_beat()

    def _start(self, woken_ms: int) -> None:
        # Under a name of its own: the same permit may be given again while this job runs.
        call = uuid4().hex
        self.tasks[call] = task = self.loop.create_task(self.run_job(call, woken_ms))
        task.add_done_callback(lambda _: self._end(call))

    async def run_job(self, job_id: str, score: int) -> None:  # noqa: ARG002 - arq's signature
        """Run the job whose turn it is, and count it."""
        try:
            await self._run(self._queue)
        except Exception as error:  # noqa: BLE001 - it must not end the worker
            self.jobs_failed += 1
            logger.bind(queue=self.queue_name, error=describe(error)).error("Job not brought back")
        else:
            self.jobs_complete += 1

    def _end(self, call: str) -> None:
        del self.tasks[call]
        self._slots.release()


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
