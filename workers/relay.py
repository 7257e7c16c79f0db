"""The relay: wakes a worker for every job whose wake-up was lost."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from loguru import logger

from domain.jobs import Job
from usecases.ports.jobs import JobDesk, JobQueue
from workers.runner import describe

BATCH = 100
LISTEN_AGAIN_SECONDS = 1.0


class Relay:
    """Looks for jobs that wait: when PostgreSQL announces some, and every `pace` in any case.

    A job is found though its promise was committed by a process that died in the next moment, and
    though Redis forgot all. Any number of relays may run: each finds other jobs.
    """

    def __init__(
        self, desk: JobDesk, queue: JobQueue, pace: timedelta = timedelta(milliseconds=500)
    ) -> None:
        self._desk, self._queue, self._pace = desk, queue, pace
        self._news = asyncio.Event()
        self._found: list[Job] = []
        self._failing = False

    async def __call__(self) -> None:
        """Go on until cancelled, over all faults of PostgreSQL and Redis."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._look())

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in self._desk.promised():
                    self._news.set()
            except Exception as error:  # noqa: BLE001 - it looks at its pace meanwhile
                logger.bind(error=describe(error)).warning("Relay cannot hear of new jobs")
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _look(self) -> None:
        while True:
            self._news.clear()
            try:
                while await self._wake_some() == BATCH:
                    pass
                self._failing = False
            except Exception as error:  # noqa: BLE001 - an outage; it is said once
                if not self._failing:
                    logger.bind(error=describe(error)).warning("Relay cannot work")
                self._failing = True
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.total_seconds()):
                    await self._news.wait()

    async def _wake_some(self) -> int:
        # Those found while the queue is away are noted as woken: they are kept until it took them.
        self._found = self._found or await self._desk.due(BATCH)
        if self._found:
            await self._queue.wake(self._found)
        woken, self._found = len(self._found), []
        return woken
