"""Calls to a provider are bounded over all workers, and a dead worker's slots come free."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.database import create_engine
from db.provider_slots import SqlProviderSlots
from tests.fakes.provider_slots import FakeProviderSlots
from tests.figures import Figures
from tests.servers import Server
from usecases.ports.jobs import Retry

SOON = timedelta(milliseconds=90)


async def briefly() -> None:
    await asyncio.sleep(0.002)


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


async def held(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT count(holder) FROM provider_slots")) or 0)


async def lost(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE provider_slots SET holder = NULL, until = NULL"))


async def test_workers_never_hold_more_than_the_limit(postgres_url: str, figures: Figures) -> None:
    engines = [create_engine(postgres_url, pool_size=3) for _ in range(3)]
    running, most, left = 0, 0, figures.scale(48, 960)
    calls = left

    async def work(slots: SqlProviderSlots) -> None:
        nonlocal running, most, left
        while left > 0:
            left -= 1
            async with slots.hold("gemini"):
                running += 1
                most = max(most, running)
                await asyncio.sleep(0.03)  # so long that a fifth would find the four at work
                running -= 1

    workers = [SqlProviderSlots(engine, {"gemini": 4}, pause=briefly) for engine in engines]
    await asyncio.gather(*(work(workers[number % 3]) for number in range(24)))
    assert (most, left) == (4, 0)
    assert await held(engines[0]) == 0
    figures.show("calls to a provider at once, with a limit of 4", f"{most} of {calls} calls")
    for engine in engines:
        await engine.dispose()


async def test_a_provider_without_a_limit_is_not_bounded(engine: AsyncEngine) -> None:
    slots = SqlProviderSlots(engine, {"gemini": 1})
    async with slots.hold("gemini"), slots.hold("offline"), slots.hold("offline"):
        assert await held(engine) == 1


async def test_a_slot_that_nobody_renews_comes_free(engine: AsyncEngine) -> None:
    dead = SqlProviderSlots(engine, {"gemini": 1})
    await dead.hold("gemini").__aenter__()
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE provider_slots SET until = until - interval '29.9 seconds'")
        )
    async with (
        asyncio.timeout(5),
        SqlProviderSlots(engine, {"gemini": 1}, pause=briefly).hold("gemini"),
    ):
        assert await held(engine) == 1


async def test_a_slot_is_renewed_while_it_is_held(engine: AsyncEngine) -> None:
    slots = SqlProviderSlots(engine, {"gemini": 1}, lease=timedelta(seconds=1))
    async with asyncio.timeout(5), slots.hold("gemini"), engine.connect() as connection:
        single = await connection.execution_options(isolation_level="AUTOCOMMIT")
        until = text("SELECT until FROM provider_slots")
        first = await single.scalar(until)
        while await single.scalar(until) == first:
            await briefly()
        assert first < await single.scalar(until)


async def test_a_slot_that_is_lost_ends_the_block(engine: AsyncEngine) -> None:
    with pytest.raises(Retry):
        async with SqlProviderSlots(engine, {"gemini": 1}, lease=SOON).hold("gemini"):
            await lost(engine)
            await asyncio.Event().wait()


async def test_a_slot_that_cannot_be_renewed_ends_the_block_in_time(own_postgres: Server) -> None:
    engine = create_engine(own_postgres.url)
    with pytest.raises(Retry):
        async with asyncio.timeout(5):
            async with SqlProviderSlots(engine, {"gemini": 1}, lease=SOON).hold("gemini"):
                await own_postgres.kill()
                await asyncio.Event().wait()
    await engine.dispose()


async def test_what_goes_wrong_in_the_block_is_told_and_the_slot_given_back(
    engine: AsyncEngine,
) -> None:
    slots = SqlProviderSlots(engine, {"gemini": 1})
    for error in (TimeoutError("the model is slow"), ValueError("nonsense")):
        with pytest.raises(type(error), match=str(error)):
            async with slots.hold("gemini"):
                raise error
        assert await held(engine) == 0


async def test_who_is_cancelled_holds_and_awaits_no_slot(engine: AsyncEngine) -> None:
    slots = SqlProviderSlots(engine, {"gemini": 1}, pause=briefly)

    async def call() -> None:
        async with slots.hold("gemini"):
            await asyncio.Event().wait()

    calls = [asyncio.create_task(call()) for _ in range(3)]
    async with asyncio.timeout(5):
        while await held(engine) == 0:
            await briefly()
    for waiting in calls:
        waiting.cancel()
    await asyncio.wait(calls)
    assert all(waiting.cancelled() for waiting in calls)
    assert await held(engine) == 0


async def test_the_fake_is_as_strict() -> None:
    slots = FakeProviderSlots({"offline": 1})
    holding = asyncio.Event()

    async def call() -> None:
        async with slots.hold("offline"):
            holding.set()
            await asyncio.Event().wait()

    first, second = asyncio.create_task(call()), asyncio.create_task(call())
    await holding.wait()
    slots.lose_all()
    with pytest.raises(Retry):
        await first
    second.cancel()
    await asyncio.wait([second])
    assert (slots.most, slots.held) == (1, [])
