"""How a process goes."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from api.drain import Drain, draining_on_sigterm


@pytest.fixture
def handed_on() -> Iterator[asyncio.Queue[int]]:
    """Stand where a server stands: its handler collects the signals that reach it."""
    caught: asyncio.Queue[int] = asyncio.Queue()
    before = signal.signal(signal.SIGTERM, lambda number, _: caught.put_nowait(number))
    yield caught
    signal.signal(signal.SIGTERM, before)


async def test_the_server_hears_of_it_when_the_last_socket_has_gone(
    handed_on: asyncio.Queue[int],
) -> None:
    drain = Drain(seconds=0.01)

    async def client() -> None:
        with drain.socket():
            await drain.turn()
            assert handed_on.empty()

    with draining_on_sigterm(drain, seconds=5):
        clients = [asyncio.create_task(client()) for _ in range(10)]
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.gather(*clients)
        async with asyncio.timeout(1):
            assert await handed_on.get() == signal.SIGTERM

    assert drain.sockets == 0


async def test_a_socket_that_stays_does_not_keep_the_process(handed_on: asyncio.Queue[int]) -> None:
    drain = Drain()
    with drain.socket(), draining_on_sigterm(drain, seconds=0.02):
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(1):
            assert await handed_on.get() == signal.SIGTERM


async def test_a_second_signal_is_handed_on_at_once(handed_on: asyncio.Queue[int]) -> None:
    drain = Drain()
    with drain.socket(), draining_on_sigterm(drain, seconds=60):
        signal.raise_signal(signal.SIGTERM)
        await drain.turn()
        signal.raise_signal(signal.SIGTERM)

        assert handed_on.get_nowait() == signal.SIGTERM


async def test_afterwards_signals_go_where_they_went_before(handed_on: asyncio.Queue[int]) -> None:
    with draining_on_sigterm(Drain(), seconds=1):
        pass
    signal.raise_signal(signal.SIGTERM)

    assert handed_on.get_nowait() == signal.SIGTERM


async def test_without_sockets_nothing_is_waited_for() -> None:
    assert await Drain().finished(within=0)
