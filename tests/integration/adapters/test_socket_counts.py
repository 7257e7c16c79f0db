"""Sockets counted over several processes, on a real Redis."""

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.socket_counts import PROCESSES, RedisSocketCounts
from tests.servers import Server

MOST = 5


@pytest.fixture
async def processes(redis: Redis) -> list[RedisSocketCounts]:
    """Return what three processes count with."""
    three = [RedisSocketCounts(redis) for _ in range(3)]
    for each in three:
        await each.beat()
    return three


async def test_all_processes_together_let_in_the_most(processes: list[RedisSocketCounts]) -> None:
    claims = await asyncio.gather(
        *(each.claim("account:a", MOST) for each in processes for _ in range(10))
    )

    assert sum(claims) == MOST
    assert await processes[0].claim("account:b", MOST)


async def test_a_place_that_is_given_back_is_free_for_all(
    processes: list[RedisSocketCounts],
) -> None:
    first, second, _ = processes
    for _ in range(MOST):
        assert await first.claim("a", MOST)
    assert not await second.claim("a", MOST)
    await first.release("a")

    assert await second.claim("a", MOST)
    assert not await first.claim("a", MOST)


async def test_a_process_that_shows_no_life_keeps_nobody_out(
    processes: list[RedisSocketCounts], redis: Redis
) -> None:
    dead, other, _ = processes
    for _ in range(MOST):
        await dead.claim("a", MOST)
    await redis.zadd(PROCESSES, {dead._process: 1})  # noqa: SLF001 - as if 15 seconds had passed

    assert await other.claim("a", MOST)
    await dead.beat()
    assert not await other.claim("a", MOST)


async def test_what_redis_forgets_is_told_again(
    processes: list[RedisSocketCounts], redis: Redis
) -> None:
    first, second, _ = processes
    for _ in range(MOST):
        await first.claim("a", MOST)
    await redis.flushdb()
    await first.beat()

    assert not await second.claim("a", MOST)


async def test_without_redis_each_process_counts_its_own(own_redis: Server) -> None:
    async with Redis.from_url(own_redis.url) as client:
        first, second = RedisSocketCounts(client), RedisSocketCounts(client)
        await first.claim("a", MOST)
        await own_redis.kill()
        claims = [await first.claim("a", MOST) for _ in range(MOST)]
        await first.release("a")
        assert claims == [True] * (MOST - 1) + [False]
        assert await second.claim("a", MOST)
        await own_redis.start()
        for each in (first, second):
            await each.beat()

        assert not await second.claim("a", MOST)


async def test_while_it_is_open_it_shows_life_and_then_no_more(redis: Redis) -> None:
    counts, signs = RedisSocketCounts(redis, beat_seconds=0.002), set[float]()
    async with counts.open(), asyncio.timeout(5):
        while len(signs) < 3:
            signs.update(
                score for _, score in await redis.zrange(PROCESSES, 0, -1, withscores=True)
            )
        assert await redis.zcard(PROCESSES) == 1

    assert await redis.zcard(PROCESSES) == 0
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "socket counts"]
