"""One worker at a time announces the places in line."""

import asyncio
from datetime import timedelta
from itertools import pairwise

from redis.asyncio import Redis

from workers.line import LineAnnouncer


async def test_of_several_workers_one_announces_in_each_turn(redis: Redis) -> None:
    announced = asyncio.Semaphore(0)
    turns: list[float] = []

    async def announce() -> None:
        turns.append(asyncio.get_running_loop().time())
        announced.release()

    pace = timedelta(milliseconds=100)
    workers = [asyncio.ensure_future(LineAnnouncer(redis, announce, pace)()) for _ in range(4)]
    async with asyncio.timeout(5):
        for _ in range(4):
            await announced.acquire()
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers)
    assert len(turns) == 4
    assert min(later - sooner for sooner, later in pairwise(turns)) > 0.05


async def test_a_turn_that_fails_is_made_good_by_the_next(redis: Redis) -> None:
    succeeded = asyncio.Event()
    attempts = 0

    async def announce() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ConnectionError
        succeeded.set()

    worker = asyncio.ensure_future(LineAnnouncer(redis, announce, timedelta(milliseconds=20))())
    async with asyncio.timeout(5):
        await succeeded.wait()
    worker.cancel()
    await asyncio.wait({worker})
    assert attempts == 2
