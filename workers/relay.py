"""The relay: wakes a worker for every job whose time has come or whose wake-up was lost."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from loguru import logger

from domain.jobs import Job, Schedule, Terms
from usecases.ports.jobs import JobDesk, JobQueue
from workers.runner import describe

BATCH = 100
"""Jobs of each queue that are woken again in a turn, at most."""


class Relay:
    """Looks every `pace` for jobs that wait, and every second time for schedules that are due.

    A job is found though its promise was committed by a process that died in the next moment, and
    though Redis forgot all. Any number of relays may run: each finds other jobs. Those that are not
    `known` here are left to the relay of newer code.
    """

    def __init__(
        self,
        desk: JobDesk,
        queue: JobQueue,
        known: Sequence[Terms],
        schedules: Sequence[Schedule] = (),
        pace: timedelta = timedelta(seconds=1),
    ) -> None:
        self._desk, self._queue, self._known = desk, queue, known
        self._schedules, self._pace = schedules, pace
        self._found: list[Job] = []
        self._looks = 0
        self._failing = False

    async def __call__(self) -> None:
        """Go on until cancelled, over all faults of PostgreSQL and Redis."""
        while True:
            try:
                await self._look()
                self._failing = False
            except Exception as error:  # noqa: BLE001 - an outage; it is said once
                if not self._failing:
                    logger.bind(error=describe(error)).warning("Relay cannot work")
                self._failing = True
            await asyncio.sleep(self._pace.total_seconds())

    async def _look(self) -> None:
        # Those found while the queue is away are noted as woken: they are kept until it took them.
        if not self._found:
            self._found = await self._desk.due(BATCH, self._known)
        if self._schedules and self._looks % 2 == 0:
            self._found += await self._desk.tick(self._schedules)
        self._looks += 1
        if self._found:
            await self._queue.wake(self._found)
        self._found = []
