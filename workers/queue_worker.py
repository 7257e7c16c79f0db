"""arq's worker, woken the moment there is work instead of asking for it again and again."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import uuid4

from arq import Worker, func
from arq.connections import ArqRedis
from loguru import logger

from adapters.queue import permits
from domain.jobs import Queue, Terms
from workers.runner import describe

BLOCK_SECONDS = 1
"""How long Redis is let wait for a permit at a time: less than it may be silent."""

RESTART_SECONDS = 0.5


class Work(Protocol):
    """What a worker can do."""

    @property
    def known(self) -> Sequence[Terms]:
        """Which jobs it knows; others are left to newer code."""

    async def __call__(self, queue: Queue) -> None:
        """Do the job of a queue whose turn it is, if there is one that it knows."""


async def nothing(ctx: dict[str, Any]) -> None:
    """Do nothing: arq starts no worker without a function."""


NOTHING = func(nothing, name="nothing")


class QueueWorker(Worker):
    """Runs the jobs of one queue, up to `slots` at once: arq in all but how it gets its work.

    arq stores each call in Redis and reads it there. Here a permit is popped for good, and names no
    call: it stands for a job that PostgreSQL knows, of a kind that is known here.
    """

    def __init__(self, redis: ArqRedis, queue: Queue, work: Work, slots: int) -> None:
        super().__init__(
            [NOTHING],
            queue_name=f"storyloom:{queue}",
            redis_pool=redis,
            handle_signals=False,
            max_jobs=slots,
            poll_delay=0,
            health_check_interval=60,
        )
        self._queue, self._do = queue, work
        self._permits = [permits(terms) for terms in work.known if terms.queue is queue]
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
        popped = None
        try:
            popped = await self.pool.bzpopmin(self._permits, timeout=BLOCK_SECONDS)
        finally:
            if popped is None:
                self._slots.release()
        self._failing = False
        if popped is not None:
            self._start(woken_ms=int(popped[2]))
        await self.heart_beat()

    def _start(self, woken_ms: int) -> None:
        # Under a name of its own: the same permit may be given again while this job runs.
        call = uuid4().hex
        self.tasks[call] = task = self.loop.create_task(self.run_job(call, woken_ms))
        task.add_done_callback(lambda _: self._end(call))

    async def run_job(self, job_id: str, score: int) -> None:  # noqa: ARG002 - arq's signature
        """Run the job whose turn it is, and count it."""
        try:
            await self._do(self._queue)
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
