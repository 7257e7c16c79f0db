"""A worker's PostgreSQL and Redis are there, but the network before them is not what it was."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from tests.faults.errands import Deed, Errand
from tests.faults.proxy import BlackHole, Clear, Fault, FaultProxy, HalfOpen
from tests.faults.site import DRAIN_SECONDS, TAKEN_OVER, Site, Worker, open_site
from tests.figures import Figures

WITHIN = 10
"""Seconds after which all must be well again (docs/security.md)."""

FAREWELL = 8
"""Seconds that stopping may take beyond the drain, whatever is silent."""


@pytest.fixture
async def site(postgres_url: str, redis_url: str) -> AsyncIterator[Site]:
    async with open_site(postgres_url, redis_url) as site:
        yield site


async def test_a_worker_is_woken_again_after_its_redis_fell_silent(
    site: Site, redis_url: str, figures: Figures
) -> None:
    async with FaultProxy.before(redis_url) as proxy:
        worker = await site.start_worker(REDIS_URL=proxy.url)
        await _timed(site, worker, "before")
        silences: list[Fault] = [HalfOpen(), BlackHole()]
        for fault in silences[: figures.scale(1, 2)]:
            slowest = 0.0
            for number in range(times := figures.scale(1, 10)):
                proxy.strike(fault)
                slowest = max(slowest, await _timed(site, worker, f"{fault} {number}"))
            figures.show(
                f"Worker: {type(fault).__name__} before Redis, {times} times",
                f"next job done within {slowest:.1f} s",
            )

        proxy.fault = BlackHole()
        await site.promise(*(Errand(name=f"in the dark {number}") for number in range(8)))
        await asyncio.sleep(figures.scale(0, 30))  # an outage has a length
        proxy.fault = Clear()
        began = monotonic()
        await site.all_done(WITHIN)
        figures.show("Worker: Redis back from a black hole", f"{monotonic() - began:.1f} s")

        await site.promise(Errand(name="long", seconds=60))
        await worker.mentions("long attempt 1", WITHIN)
        proxy.fault = BlackHole()
        worker.process.terminate()
        began = monotonic()
        await worker.mentions("long stopped", WITHIN)
        await worker.ends(DRAIN_SECONDS + FAREWELL)
        figures.show("Worker: stopped though Redis is silent", f"{monotonic() - began:.1f} s")
        assert await site.count("state = 'queued' AND attempt = 0") == 1, "it was handed back"
    assert await site.count("state = 'done' AND attempt = 1") == await site.count() - 1


async def test_no_job_is_lost_or_done_twice_when_postgresql_falls_silent(
    site: Site, postgres_url: str, figures: Figures
) -> None:
    times = figures.scale(1, 10)
    async with FaultProxy.before(postgres_url) as proxy:
        cut_off, heir = await asyncio.gather(
            site.start_worker(DATABASE_URL=proxy.url, SILENCE="0.5"), site.start_worker()
        )
        for number in range(times):
            proxy.fault = Clear()
            await _deeds(site, cut_off, f"half-open {number}")
            proxy.strike(HalfOpen())
            await site.all_done()
            await _deeds(site, cut_off, f"dark {number}")
            proxy.fault = BlackHole()
            await site.all_done()
        await heir.leaves()
        proxy.fault = Clear()
        slowest = await _timed(site, cut_off, "after")
        await site.all_done()
    deeds = await site.count("kind = 'deed'")
    assert await site.count("state = 'done' AND progress = 1") == deeds
    assert await site.count("state = 'done'") == deeds + 1
    marks = [event for event in cut_off.said + heir.said if event.endswith("marked")]
    assert len(marks) == len(set(marks)), "of a job's attempts one writes"
    figures.show(
        f"Worker: PostgreSQL half-open and in a black hole, {times} times",
        f"{deeds} of {deeds} jobs with one effect; works again within {slowest:.1f} s",
    )


async def test_a_worker_stops_in_time_though_postgresql_is_silent(
    site: Site, postgres_url: str, figures: Figures
) -> None:
    async with FaultProxy.before(postgres_url) as proxy:
        # What bounds its farewell is not that PostgreSQL may be silent for only so long.
        worker = await site.start_worker(DATABASE_URL=proxy.url, SILENCE="20")
        await site.promise(Errand(name="long", seconds=60))
        await worker.mentions("long attempt 1")
        proxy.fault = BlackHole()
        worker.process.terminate()
        began = monotonic()
        await worker.mentions("long stopped", WITHIN)
        await worker.ends(DRAIN_SECONDS + FAREWELL)
        figures.show("Worker: stopped though PostgreSQL is silent", f"{monotonic() - began:.1f} s")
    heir = await site.start_worker()
    await heir.mentions("long attempt 2", within=TAKEN_OVER)


async def _timed(site: Site, worker: Worker, name: str) -> float:
    """Return how long it takes until a job is done."""
    began = monotonic()
    await site.promise(Errand(name=name))
    await worker.mentions(f"{name} done", WITHIN)
    return monotonic() - began


async def _deeds(site: Site, worker: Worker, name: str) -> None:
    """Have this worker be in the midst of some jobs."""
    names = [f"{name} {number}" for number in range(8)]
    await site.promise(*(Deed(name=each, seconds=0.7) for each in names))
    async with asyncio.timeout(WITHIN), worker.news:
        await worker.news.wait_for(lambda: any(f"{n} attempt 1" in worker.said for n in names))
