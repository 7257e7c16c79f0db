"""PostgreSQL is there, but the network before it is not what it was."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from types import NoneType

import pytest
from loguru import logger
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from db.database import GOOD_BYE, SqlDatabase, close_engine, create_engine
from domain.refusals import UpstreamUnavailable
from tests.factories import an_account
from tests.fakes.database import FakeJobQueue
from tests.faults.proxy import BlackHole, Clear, Cut, FaultProxy, HalfOpen, Latency, Reset
from tests.figures import Figures

POOL = 3
WITHIN = 10
"""Seconds after which all must be well again (docs/security.md)."""


@dataclass
class Site:
    """A database behind a bad line."""

    engine: AsyncEngine
    proxy: FaultProxy

    async def sign_up(self) -> None:
        """Use the database as a mutation does: a transaction of several statements."""
        database = SqlDatabase(self.engine, FakeJobQueue())
        async with database.begin() as work:
            account = an_account()
            await work.accounts.add(account)
        async with database.begin() as work:
            stored = await work.accounts.get(account.id)
        assert stored is not None
        assert stored.email == account.email

    async def warm_up(self) -> None:
        """Have all connections open and used."""
        await asyncio.gather(*(self.sign_up() for _ in range(2 * POOL)))

    async def timed(self) -> float:
        """Return how long it takes to use the database, which must work."""
        began = monotonic()
        await self.sign_up()
        return monotonic() - began

    @property
    def leaked(self) -> int:
        """How many connections nobody gave back."""
        pool = self.engine.pool
        assert isinstance(pool, QueuePool)
        return pool.checkedout()


@pytest.fixture
async def site(postgres_url: str, figures: Figures) -> AsyncIterator[Site]:
    """Return a database whose silences are short on the quick scale."""
    patience = timedelta(seconds=5 if figures.full else 0.5)
    async with FaultProxy.before(postgres_url) as proxy:
        engine = create_engine(
            proxy.url, pool_size=POOL, statement_timeout=2 * patience, silence=patience
        )
        site = Site(engine, proxy)
        await site.warm_up()
        yield site
        proxy.fault = Clear()
        assert site.leaked == 0
        proxy.strike(Reset())  # asyncpg may still be sending cancellations into the silence
        await engine.dispose()


async def test_a_slow_line_slows_and_breaks_nothing(site: Site, figures: Figures) -> None:
    site.proxy.fault = Latency(0.1)
    callers = figures.scale(POOL, 10 * POOL)
    slowest = max(await asyncio.gather(*(site.timed() for _ in range(callers))))

    assert slowest < figures.scale(5, 60)
    figures.show(
        "PostgreSQL 200 ms away",
        f"0 of {callers} callers on {POOL} connections failed, slowest after {slowest:.1f} s",
    )


async def test_after_a_reset_of_all_connections_the_next_use_works(
    site: Site, figures: Figures
) -> None:
    worst, times = 0.0, figures.scale(2, 50)
    for _ in range(times):
        await site.warm_up()
        under_way = [asyncio.create_task(site.sign_up()) for _ in range(2 * POOL)]
        await asyncio.sleep(0)  # they begin
        site.proxy.strike(Reset())
        answers = await asyncio.gather(*under_way, return_exceptions=True)
        assert {type(answer) for answer in answers} <= {UpstreamUnavailable, NoneType}
        worst = max(worst, *await asyncio.gather(*(site.timed() for _ in range(2 * POOL))))

    assert worst < WITHIN
    figures.show(
        "PostgreSQL: all connections reset",
        f"{times} times under use; next use works within {worst:.2f} s",
    )


async def test_an_answer_that_breaks_off_is_an_outage_and_no_more(
    site: Site, figures: Figures
) -> None:
    site.proxy.fault = Cut(to_client=50_000)
    with pytest.raises(DBAPIError, match="connection was closed in the middle of operation"):
        await _ask_much(site.engine)
    site.proxy.fault = Clear()
    healed = await site.timed()

    assert healed < WITHIN
    figures.show(
        "PostgreSQL: an answer cut in its middle",
        f"fails at once; next use works within {healed:.2f} s",
    )


async def test_a_black_hole_is_left_in_time(site: Site, figures: Figures) -> None:
    site.proxy.fault = BlackHole()
    began = monotonic()
    answers = await asyncio.gather(
        *(site.sign_up() for _ in range(3 * POOL)), return_exceptions=True
    )
    lost = monotonic() - began
    assert {type(answer) for answer in answers} == {UpstreamUnavailable}
    assert lost < figures.scale(8, 60)
    site.proxy.fault = Clear()
    healed = max(await asyncio.gather(*(site.timed() for _ in range(2 * POOL))))

    assert healed < WITHIN
    figures.show(
        "PostgreSQL in a black hole",
        f"{3 * POOL} callers refused within {lost:.1f} s, works again within {healed:.2f} s",
    )


async def test_a_connection_whose_server_is_gone_is_found_out(site: Site, figures: Figures) -> None:
    worst, times = 0.0, figures.scale(1, 5)
    for _ in range(times):
        await site.warm_up()
        site.proxy.strike(HalfOpen())
        await asyncio.sleep(1.5 if figures.full else 0.15)  # connections have their rest
        worst = max(worst, *await asyncio.gather(*(site.timed() for _ in range(2 * POOL))))

    assert worst < WITHIN
    figures.show(
        "PostgreSQL: half-open connections", f"{times} times; next use works within {worst:.2f} s"
    )


async def _ask_much(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT repeat('x', 1000000)"))


async def test_a_server_that_fell_silent_is_left_without_an_error(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message}")
    await site.warm_up()
    site.proxy.strike(HalfOpen())

    began = monotonic()
    await close_engine(site.engine)
    assert monotonic() - began < GOOD_BYE.total_seconds() + 1, "the others are not waited for"
    logger.remove(sink)
    assert lines == ["WARNING PostgreSQL did not answer a good-bye\n"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
