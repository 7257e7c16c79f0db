"""What only a real Redis can show of the ends of sessions: its absence, and what it forgets."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.session_ends import RedisSessionEnds
from domain.refusals import UpstreamUnavailable
from tests.fakes.clock import FakeClock
from tests.servers import Server

ACCESS_LIFE = timedelta(minutes=15)


def ends_in(redis: Redis, clock: FakeClock | None = None) -> RedisSessionEnds:
    return RedisSessionEnds(redis, access_life=ACCESS_LIFE, clock=clock or FakeClock())


async def test_all_processes_hear_an_end(redis: Redis) -> None:
    here, there, session_id = ends_in(redis), ends_in(redis), uuid4()
    async with there.ended(session_id) as event, asyncio.timeout(5):
        await here.announce(session_id)
        await event.wait()
        assert await there.has_ended(session_id) is True
    await there.close()


async def test_rubbish_does_not_deafen_the_listener(redis: Redis) -> None:
    """Whatever it fails by, sockets that are open already rely on it."""
    ends, session_id = ends_in(redis), uuid4()
    async with ends.ended(session_id) as event, asyncio.timeout(5):
        while not await redis.publish("session:ends", "rubbish"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # until it listens, which Redis tells nobody but who asks
        await ends.announce(session_id)
        await event.wait()
    await ends.close()


async def test_a_process_listens_once_for_all_its_sockets(redis: Redis) -> None:
    ends, sessions = ends_in(redis), [uuid4() for _ in range(50)]
    watches = [ends.ended(session_id) for session_id in sessions]
    events = [await watch.__aenter__() for watch in watches]
    await ends.announce(sessions[0])
    async with asyncio.timeout(5):
        await events[0].wait()
    assert await redis.pubsub_numsub("session:ends") == [(b"session:ends", 1)]
    for watch in watches:
        await watch.__aexit__(None, None, None)
    await ends.close()


async def test_the_marker_outlives_the_access_tokens(redis: Redis) -> None:
    await ends_in(redis).announce(session_id := uuid4())
    assert 15 * 60 < await redis.ttl(f"session:ended:{session_id}") <= 16 * 60


async def test_a_redis_that_was_emptied_cannot_tell_until_the_tokens_of_before_have_expired(
    redis: Redis,
) -> None:
    clock, session_id = FakeClock(), uuid4()
    ends = ends_in(redis, clock)
    assert await ends.has_ended(session_id) is None
    clock.advance(timedelta(minutes=15, seconds=59))
    assert await ends.has_ended(session_id) is None
    clock.advance(timedelta(seconds=1))
    assert await ends.has_ended(session_id) is False
    await redis.flushdb()
    assert await ends.has_ended(session_id) is None


async def test_without_redis_nobody_can_tell_and_an_announcement_fails() -> None:
    async with Redis.from_url("redis://127.0.0.1:1") as nowhere:
        ends = ends_in(nowhere)
        assert await ends.has_ended(uuid4()) is None
        with pytest.raises(UpstreamUnavailable):
            await ends.announce(uuid4())


async def test_ends_are_heard_again_after_redis_was_away(own_redis: Server) -> None:
    async with Redis.from_url(own_redis.url) as redis:
        ends, before, after = ends_in(redis), uuid4(), uuid4()
        async with ends.ended(before) as first, ends.ended(after) as second:
            await ends.announce(before)
            async with asyncio.timeout(5):
                await first.wait()
            await own_redis.kill()
            await own_redis.start()
            async with asyncio.timeout(5):
                await ends.announce(after)
                await second.wait()
        await ends.close()
