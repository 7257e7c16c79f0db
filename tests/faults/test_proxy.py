"""The fault proxy itself: each fault as a plain client sees it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from time import monotonic

import pytest

from tests.faults.proxy import (
    Bandwidth,
    BlackHole,
    Clear,
    Cut,
    FaultProxy,
    HalfOpen,
    Latency,
    Refuse,
    Reset,
    in_own_thread,
)

SHORT = 0.1
"""Seconds of silence that count as silence."""


class Client:
    """One connection through the proxy to a server that says everything back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def echo(self, data: bytes) -> bytes:
        """Say something and return what comes back: less of it where the connection ends."""
        self._writer.write(data)
        try:
            return await self._reader.readexactly(len(data))
        except asyncio.IncompleteReadError as error:
            return error.partial

    async def is_silent(self) -> bool:
        """Whether nothing comes back, not even an end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SHORT):
                await self.echo(b"anybody?")
            return False
        return True

    async def hang_up(self) -> None:
        """Say that no more will come, and return once the server has said so too."""
        self._writer.write_eof()
        assert await self._reader.read() == b""

    def leave(self) -> None:
        """Be gone."""
        self._writer.transport.abort()


Visit = Callable[[FaultProxy], Coroutine[None, None, Client]]


class Echo:
    """A server that says everything back."""

    def __init__(self) -> None:
        self.port, self.said, self.left = 0, bytearray(), asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(2**16):
                self.said += data
                writer.write(data)
                await writer.drain()
        self.left.set()
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", echo.port) as proxy, asyncio.timeout(10):
        yield proxy


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """Return what connects a client to a proxy."""
    clients: list[Client] = []

    async def visit(proxy: FaultProxy) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
        clients.append(client)
        return client

    yield visit
    for client in clients:
        client.leave()


async def test_everything_passes_and_is_counted(proxy: FaultProxy, visit: Visit) -> None:
    first, second = await visit(proxy), await visit(proxy)
    assert await first.echo(b"x" * 300_000) == b"x" * 300_000
    assert await second.echo(b"hello") == b"hello"
    assert (proxy.opened, proxy.live) == (2, 2)
    await first.hang_up()
    assert await second.echo(b"hello") == b"hello"
    assert (proxy.opened, proxy.live) == (2, 1)


async def test_latency_comes_and_goes_on_a_live_connection(proxy: FaultProxy, visit: Visit) -> None:
    client = await visit(proxy)
    await client.echo(b"hello")
    proxy.fault = Latency(0.1, jitter=0.05)
    began = monotonic()
    assert await client.echo(b"hello") == b"hello"
    assert 0.2 <= monotonic() - began < 0.6
    proxy.fault = Clear()
    began = monotonic()
    await client.echo(b"hello")
    assert monotonic() - began < 0.1


async def test_what_is_late_stays_in_order(proxy: FaultProxy, visit: Visit) -> None:
    proxy.fault = Latency(0, jitter=0.01)
    said = b"".join(b"%04d" % number for number in range(500))
    assert await (await visit(proxy)).echo(said) == said


async def test_a_narrow_line_takes_its_time(proxy: FaultProxy, visit: Visit) -> None:
    proxy.fault = Bandwidth(100_000)
    client, began = await visit(proxy), monotonic()
    assert len(await client.echo(b"x" * 20_000)) == 20_000
    assert 0.2 <= monotonic() - began < 1


async def test_an_answer_is_cut_at_a_byte(proxy: FaultProxy, visit: Visit) -> None:
    client = await visit(proxy)
    await client.echo(b"hello")
    proxy.fault = Cut(to_client=3)
    assert await client.echo(b"hello") == b"hel"
    assert await (await visit(proxy)).echo(b"hello") == b"hel"


async def test_a_request_is_cut_at_a_byte(proxy: FaultProxy, echo: Echo, visit: Visit) -> None:
    proxy.fault = Cut(to_server=2)
    client = await visit(proxy)
    assert len(await client.echo(b"hello")) <= 2
    await echo.left.wait()
    assert echo.said == b"he"


async def test_a_reset_is_seen_at_both_ends(proxy: FaultProxy, echo: Echo, visit: Visit) -> None:
    client = await visit(proxy)
    await client.echo(b"hello")
    proxy.fault = Reset()
    with pytest.raises(ConnectionResetError):
        await client.echo(b"hello")
    await echo.left.wait()
    with pytest.raises(ConnectionError):
        await (await visit(proxy)).echo(b"hello")
    proxy.fault = Clear()
    assert await (await visit(proxy)).echo(b"hello") == b"hello"


async def test_a_black_hole_swallows_what_old_and_new_clients_say(
    proxy: FaultProxy, echo: Echo, visit: Visit
) -> None:
    old = await visit(proxy)
    await old.echo(b"hello")
    proxy.fault = BlackHole()
    new = await visit(proxy)
    assert await old.is_silent()
    assert await new.is_silent()
    assert echo.said == b"hello"
    assert not echo.left.is_set()


async def test_only_those_who_were_there_are_struck(proxy: FaultProxy, visit: Visit) -> None:
    old = await visit(proxy)
    await old.echo(b"hello")
    proxy.strike(BlackHole())
    assert await (await visit(proxy)).echo(b"hello") == b"hello"
    proxy.fault = Clear()
    assert await old.is_silent()


async def test_a_half_open_client_does_not_learn_that_its_server_is_gone(
    proxy: FaultProxy, echo: Echo, visit: Visit
) -> None:
    old = await visit(proxy)
    await old.echo(b"hello")
    proxy.strike(HalfOpen())
    await echo.left.wait()
    assert await old.is_silent()
    assert await (await visit(proxy)).echo(b"hello") == b"hello"


async def test_a_closed_port_refuses_and_opens_again(proxy: FaultProxy, visit: Visit) -> None:
    old, port = await visit(proxy), proxy.port
    await old.echo(b"hello")
    proxy.fault = Refuse()
    with pytest.raises(ConnectionRefusedError):
        await visit(proxy)
    assert await old.echo(b"hello") == b"hello"
    proxy.fault = Clear()
    assert await (await visit(proxy)).echo(b"hello") == b"hello"
    assert proxy.port == port


async def test_a_server_that_is_down_ends_its_clients(echo: Echo, visit: Visit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    async with FaultProxy("127.0.0.1", nobody) as proxy, asyncio.timeout(5):
        assert await (await visit(proxy)).echo(b"") == b""
        client = await visit(proxy)
        with suppress(ConnectionError):
            assert await client.echo(b"hello") == b""
    assert echo.said == b""


async def test_a_url_keeps_all_but_its_address() -> None:
    async with FaultProxy.before("redis://:secret@127.0.0.1:6379/3?a=b") as proxy:
        assert proxy.url == f"redis://:secret@127.0.0.1:{proxy.port}/3?a=b"


async def test_a_proxy_runs_in_a_thread_of_its_own(echo: Echo, visit: Visit) -> None:
    with in_own_thread(FaultProxy("127.0.0.1", echo.port)) as proxy:
        client = await visit(proxy)
        assert await client.echo(b"hello") == b"hello"
        proxy.fault = BlackHole()
        assert await client.is_silent()
