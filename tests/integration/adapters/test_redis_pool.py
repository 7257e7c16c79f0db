"""A few connections serve many callers, and none is lost or counted twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Connection, Redis

from adapters.redis_pool import ParallelPool, open_redis


@pytest.fixture
async def pool(redis_url: str) -> AsyncIterator[ParallelPool]:
    pool: ParallelPool = ParallelPool.from_url(redis_url, max_connections=3, client_name="many")
    yield pool
    await pool.aclose()


async def test_a_hundred_callers_share_three_connections(pool: ParallelPool, redis: Redis) -> None:
    callers = Redis.from_pool(pool)
    counted = await asyncio.gather(*(callers.incr("calls") for _ in range(100)))

    assert sorted(counted) == list(range(1, 101))
    assert len(await _connected(redis)) == 3


async def test_a_caller_who_gives_up_waiting_takes_no_connection(pool: ParallelPool) -> None:
    out = [await pool.get_connection() for _ in range(3)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await pool.get_connection()

    for connection in out:
        await pool.release(connection)
    async with asyncio.timeout(1):
        assert {await pool.get_connection() for _ in range(3)} == set(out)


async def test_a_connection_that_is_given_back_twice_counts_once(
    pool: ParallelPool, redis: Redis
) -> None:
    out = [await pool.get_connection() for _ in range(3)]
    await pool.release(out[0])
    with pytest.raises(KeyError):
        await pool.release(out[0])

    await pool.get_connection()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await pool.get_connection()
    assert len(await _connected(redis)) == 3


async def test_a_command_that_meets_a_cut_is_tried_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = []

    async def say_it_in_other_words(_: Connection, command: object) -> None:
        monkeypatch.undo()
        cuts.append(command)
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")

    async with open_redis(redis_url) as redis:
        await redis.ping()
        monkeypatch.setattr(Connection, "_send_packed_command", say_it_in_other_words)

        assert await redis.incr("calls") == 1
        assert len(cuts) == 1


async def _connected(redis: Redis) -> list[dict[str, str]]:
    return [client for client in await redis.client_list() if client["name"] == "many"]
