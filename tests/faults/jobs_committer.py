"""A process that promises an errand, and dies between its commit and the wake-up."""

import asyncio
import os
import signal
from collections.abc import Sequence
from uuid import UUID

from db.database import SqlDatabase, create_engine
from domain.jobs import Job
from tests.faults.errands import Errand


class DeadlyQueue:
    """Implements `JobQueue` for the last time."""

    async def wake(self, _: Sequence[Job]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def call_off(self, _: Sequence[UUID]) -> None:
        """Call nobody off: it dies before."""


async def commit(name: str) -> None:
    """Promise it."""
    database = SqlDatabase(create_engine(os.environ["DATABASE_URL"]), DeadlyQueue())
    async with database.begin() as work:
        await work.jobs.add(Errand(name=name))


def run(arguments: list[str]) -> None:
    """Do so in a process."""
    asyncio.run(commit(arguments[0]))
