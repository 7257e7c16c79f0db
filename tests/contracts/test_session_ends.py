"""What `SessionEnds` promises, real or fake."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.session_ends import RedisSessionEnds
from tests.fakes.clock import FakeClock
from tests.fakes.session_ends import FakeSessionEnds
from usecases.ports.sessions import SessionEnds

ACCESS_LIFE = timedelta(minutes=15)


@pytest.fixture(params=["fake", "redis"])
async def ends(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[SessionEnds]:
    """Return the fake, then the real thing with a Redis that has heard every end for long."""
    if request.param == "fake":
        yield FakeSessionEnds()
        return
    clock = FakeClock()
    real = RedisSessionEnds(redis, access_life=ACCESS_LIFE, clock=clock)
    await real.has_ended(uuid4())
    clock.advance(timedelta(hours=1))
    yield real
    await real.close()


async def test_a_session_has_ended_once_that_was_announced(ends: SessionEnds) -> None:
    ended, other = uuid4(), uuid4()
    assert await ends.has_ended(ended) is False
    await ends.announce(ended)
    await ends.announce(ended)
    assert await ends.has_ended(ended) is True
    assert await ends.has_ended(other) is False


async def test_who_watches_a_session_hears_its_end(ends: SessionEnds) -> None:
    session_id = uuid4()
    async with ends.ended(session_id) as first, ends.ended(session_id) as second:
        await ends.announce(session_id)
        async with asyncio.timeout(5):
            await first.wait()
            await second.wait()


async def test_who_comes_too_late_hears_it_at_once(ends: SessionEnds) -> None:
    session_id = uuid4()
    await ends.announce(session_id)
    async with ends.ended(session_id) as event, asyncio.timeout(5):
        await event.wait()


async def test_the_end_of_another_session_is_not_heard(ends: SessionEnds) -> None:
    mine, other = uuid4(), uuid4()
    async with ends.ended(mine) as my_event, ends.ended(other) as other_event:
        await ends.announce(other)
        async with asyncio.timeout(5):
            await other_event.wait()
        assert not my_event.is_set()
