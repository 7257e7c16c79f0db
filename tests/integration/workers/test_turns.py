"""What workers do in turn is done by one of them at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise

from redis.asyncio import Redis

from workers.turns import InTurn


async def test_of_several_workers_one_acts_in_each_turn(redis: Redis) -> None:
    acted = asyncio.Semaphore(0)
    turns: list[float] = []

    async def act() -> None:
        turns.append(asyncio.get_running_loop().time())
        acted.release()

    pace = timedelta(milliseconds=100)
    workers = [asyncio.ensure_future(InTurn(redis, "line", act, pace)()) for _ in range(4)]
    async with asyncio.timeout(5):
        for _ in range(4):
            await acted.acquire()
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers)
    assert len(turns) == 4
    assert min(later - sooner for sooner, later in pairwise(turns)) > 0.05


async def test_a_turn_that_fails_is_made_good_by_the_next(redis: Redis) -> None:
    succeeded = asyncio.Event()
    attempts = 0

    async def act() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ConnectionError
        succeeded.set()

    worker = asyncio.ensure_future(InTurn(redis, "line", act, timedelta(milliseconds=20))())
    async with asyncio.timeout(5):
        await succeeded.wait()
    worker.cancel()
    await asyncio.wait({worker})
    assert attempts == 2


async def test_different_chores_do_not_share_their_turns(redis: Redis) -> None:
    acted = [asyncio.Event(), asyncio.Event()]

    def chore(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            event.set()

        return act

    workers = [
        asyncio.ensure_future(InTurn(redis, name, chore(event), timedelta(hours=1))())
        for name, event in zip(("places", "sweep"), acted, strict=True)
    ]
    async with asyncio.timeout(5):
        for event in acted:
            await event.wait()
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers)
