"""How many calls to a provider run at once, over all workers: each holds a numbered slot."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from random import uniform
from uuid import UUID, uuid4

from loguru import logger
from sqlalchemy import Executable, Update, func, literal, or_, select
from sqlalchemy import update as update_rows
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

from db.jobs import NOW
from db.outages import failing_closed
from db.rows import ProviderSlotRow
from domain.refusals import UpstreamUnavailable
from usecases.ports.jobs import Retry

TABLE = SQLModel.metadata.tables[ProviderSlotRow.__tablename__]
SLOT = TABLE.c

RELEASE = timedelta(seconds=2)
"""How long a worker tries to give a slot back; after that it runs out by itself."""


async def _pause() -> None:
    """Wait before another try, so long that those who wait do not all come at once."""
    await asyncio.sleep(uniform(0.1, 1))  # noqa: S311 - spreads tries, and guards nothing


class SqlProviderSlots:
    """Implements `ProviderSlots`: at most `limits[provider]` slots; unbounded without a limit.

    A worker that does not renew its slot within `lease` loses it, so one that died blocks nobody
    for longer.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        limits: Mapping[str, int],
        *,
        lease: timedelta = timedelta(seconds=30),
        pause: Callable[[], Awaitable[None]] = _pause,
    ) -> None:
        self._limits, self._lease, self._pause = limits, lease, pause
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._laid_out = set[str]()

    @asynccontextmanager
    async def hold(self, provider: str) -> AsyncIterator[None]:
        """Hold one of the provider's slots for the length of a block; wait until one is free.

        The block is cancelled, and Retry raised, where the slot cannot be held any longer.
        """
        if provider not in self._limits:
            yield
            return
        holder = uuid4()
        try:
            until = await self._wait(holder, provider)
            async with self._kept(holder, until):
                yield
        finally:
            await self._release(holder)

    @asynccontextmanager
    async def _kept(self, holder: UUID, until: float) -> AsyncIterator[None]:
        held = asyncio.timeout_at(until)
        try:
            async with held:
                keeper = asyncio.create_task(self._keep(holder, held))
                try:
                    yield
                finally:
                    keeper.cancel()
        except TimeoutError:
            if held.expired():
                raise Retry("slot of the provider was lost") from None
            raise

    async def _wait(self, holder: UUID, provider: str) -> float:
        """Take a slot; tell until when it surely holds, by the loop's clock."""
        await self._lay_out(provider)
        while True:
            until = self._until()
            if await self._changed(self._taking(holder, provider)):
                return until
            await self._pause()

    async def _lay_out(self, provider: str) -> None:
        """See that there is a row for each slot."""
        if provider in self._laid_out:
            return
        numbers = func.generate_series(1, self._limits[provider])
        slots = insert(TABLE).from_select(
            ["provider", "number"], select(literal(provider), numbers)
        )
        await self._changed(slots.on_conflict_do_nothing())
        self._laid_out.add(provider)

    def _taking(self, holder: UUID, provider: str) -> Update:
        free = (
            select(SLOT.number)
            .where(
                SLOT.provider == provider,
                SLOT.number <= self._limits[provider],
                or_(SLOT.until.is_(None), SLOT.until <= NOW),
            )
            .order_by(SLOT.number)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        return (
            update_rows(TABLE)
            .where(SLOT.provider == provider, SLOT.number == free.scalar_subquery())
            .values(holder=holder, until=NOW + self._lease)
        )

    async def _keep(self, holder: UUID, held: asyncio.Timeout) -> None:
        """Renew the slot again and again, and put off the end of the block each time."""
        renewal = (
            update_rows(TABLE)
            .where(SLOT.holder == holder, SLOT.until > NOW)
            .values(until=NOW + self._lease)
        )
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            until = self._until()
            try:
                is_lost = not await self._changed(renewal)
            except (UpstreamUnavailable, SQLAlchemyError) as error:
                logger.bind(error=type(error).__name__).warning("Slot could not be renewed")
                continue
            if held.expired():
                return
            held.reschedule(0 if is_lost else until)

    async def _release(self, holder: UUID) -> None:
        given_back = update_rows(TABLE).where(SLOT.holder == holder).values(holder=None, until=None)
        with suppress(UpstreamUnavailable, SQLAlchemyError, TimeoutError):  # it runs out
            async with asyncio.timeout(RELEASE.total_seconds()):
                await self._changed(given_back)

    async def _changed(self, statement: Executable) -> bool:
        """Run a statement, a transaction by itself; tell whether it changed a row.

        A worker that stands still in its middle blocks nobody: others pass over the row it locks.
        """
        with failing_closed():
            async with self._single.connect() as connection:
                return (await connection.execute(statement)).rowcount > 0

    def _until(self) -> float:
        return asyncio.get_running_loop().time() + self._lease.total_seconds()
