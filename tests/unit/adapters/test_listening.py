"""Whoever listens to Redis can be made to stop."""

import asyncio

import pytest
from redis.asyncio.client import PubSub
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ConnectionError as ConnectionLost

from adapters.listening import messages, stop


class CutOff(PubSub):
    """What uvloop says of a connection that was cut a moment ago."""

    async def get_message(self, *_: object, **__: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")


async def test_a_connection_that_was_cut_is_lost_whatever_it_says() -> None:
    with pytest.raises(ConnectionLost):
        await anext(messages(CutOff(ConnectionPool())))


async def test_a_task_that_swallows_cancellations_is_told_again_until_it_ends() -> None:
    heard = 0

    async def listen() -> None:
        nonlocal heard
        while heard < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1
        raise ConnectionError

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)  # it begins
    async with asyncio.timeout(5):
        await stop(listener, deaf=0.01)
    assert heard == 3


async def test_a_task_that_clears_up_behind_itself_is_let() -> None:
    cleared = asyncio.Event()

    async def listen() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)  # clearing up takes a while
            cleared.set()

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)  # it begins
    await stop(listener, deaf=5)
    assert cleared.is_set()
    assert listener.cancelled()
