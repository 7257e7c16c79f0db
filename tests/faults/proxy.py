"""A proxy that stands before a server and does what networks do.

async with FaultProxy.before(redis_url) as proxy:
    client = Redis.from_url(proxy.url)
    proxy.fault = Latency(0.2)        # for the connections there are, and those to come
    proxy.strike(BlackHole())         # for those there are, for as long as they last
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

CHUNK = 2**16
ROUND = 0.02
"""Seconds between two slices of a narrow line."""

GOOD_BYE = 0.5
"""Seconds in which an end must take what was still under way to it."""

RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER without a wait: closing says RST instead of FIN."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing is in the way."""


@dataclass(frozen=True, slots=True)
class Latency:
    """What is sent arrives so many seconds later, each way; up to `jitter` more, by chance."""

    seconds: float
    jitter: float = 0


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """So many bytes pass in a second, each way."""

    bytes_a_second: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Both ends are closed once so many bytes of a connection have passed from now on."""

    to_server: int | None = None
    to_client: int | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Both ends see a connection reset: at once, and as soon as they have connected."""


@dataclass(frozen=True, slots=True)
class BlackHole:
    """What is sent is lost, also a good-bye; both ends believe that they are connected."""


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """The server's end is gone; the client's stays open and is never answered."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The port is closed; the connections there are go on."""


Fault = Clear | Latency | Bandwidth | Cut | Reset | BlackHole | HalfOpen | Refuse
SILENT = (BlackHole, HalfOpen)


class FaultProxy:
    """Passes TCP on between clients of its `port` and one server, or fails to."""

    def __init__(self, host: str, port: int) -> None:
        self.opened = 0
        """How many connections were taken so far."""

        self.port = 0
        self._host, self._server_port = host, port
        self._url = f"tcp://{host}:{port}"
        self._fault: Fault = Clear()
        self._connections: set[_Connection] = set()
        self._listening: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    @classmethod
    def before(cls, url: str) -> Self:
        """Return a proxy for the server of a URL; its own `url` differs in the address alone."""
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            raise ValueError("a proxy needs the host and the port of its server")
        proxy = cls(parts.hostname, parts.port)
        proxy._url = url
        return proxy

    @property
    def url(self) -> str:
        """Where clients find the server through this proxy."""
        parts = urlsplit(self._url)
        user = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user[0]}{user[1]}127.0.0.1:{self.port}").geturl()

    @property
    def live(self) -> int:
        """How many connections there are now."""
        return len(self._connections)

    @property
    def fault(self) -> Fault:
        """What is in the way; it can be set at any time, from any thread."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._in_loop(lambda: self._set(fault))

    def strike(self, fault: Fault) -> None:
        """Put it in the way of the connections there are, until they end; new ones are spared."""
        self._in_loop(lambda: self._hit(fault, own=True))

    async def __aenter__(self) -> Self:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_listening()
        ending = [connection.task for connection in self._connections]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    def _in_loop(self, act: Callable[[], None]) -> None:
        """Act now, or as soon as the loop of another thread comes to it."""
        if self._loop is None or threading.get_ident() == self._thread:
            act()
            return
        done = threading.Event()
        self._loop.call_soon_threadsafe(act)
        self._loop.call_soon_threadsafe(done.set)
        done.wait()

    def _set(self, fault: Fault) -> None:
        self._fault = fault
        if self._loop is None:
            return
        if isinstance(fault, Refuse):
            self._stop_listening()
        elif self._listening is None:
            self._listen()
        self._hit(fault, own=False)

    def _hit(self, fault: Fault, *, own: bool) -> None:
        for connection in list(self._connections):
            connection.meet(fault, own=own)

    def _listen(self) -> None:
        assert self._loop is not None
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self._listening.setblocking(False)
        self.port = self._listening.getsockname()[1]
        self._loop.add_reader(self._listening, self._accept)

    def _stop_listening(self) -> None:
        if self._listening is not None:
            assert self._loop is not None
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def _accept(self) -> None:
        assert self._listening is not None
        with suppress(BlockingIOError, ConnectionError):
            client, _ = self._listening.accept()
            self.opened += 1
            connection = _Connection(client, self._fault)
            connection.task = asyncio.ensure_future(connection.run(self._host, self._server_port))
            self._connections.add(connection)
            connection.task.add_done_callback(lambda _: self._connections.discard(connection))


class _Connection:
    """One client, its server, and what is between them."""

    task: "asyncio.Task[None]"

    def __init__(self, client: socket.socket, fault: Fault) -> None:
        self._socket = client
        self.fault = fault
        self._own = False
        self._lines: dict[str, _Line] = {}
        self._client: asyncio.StreamWriter | None = None
        self._server: asyncio.StreamWriter | None = None
        self._ended = asyncio.Event()

    def meet(self, fault: Fault, *, own: bool) -> None:
        """Let the fault come between the two, unless they have one of their own already."""
        if self._own and not own:
            return
        self.fault, self._own = fault, own
        for line in self._lines.values():
            line.passed = 0
        if isinstance(fault, Reset):
            self._reset()
        elif isinstance(fault, HalfOpen) and self._server is not None:
            _abort(self._server)

    async def run(self, host: str, port: int) -> None:
        """Pass on until both have said good-bye, or one of them is lost."""
        reader, self._client = await asyncio.open_connection(sock=self._socket)
        try:
            if isinstance(self.fault, Reset):
                self._reset()
                return
            if isinstance(self.fault, SILENT):
                await self._swallow(reader)
            with suppress(OSError):
                await self._join(reader, host, port)
        finally:
            await _close(*(writer for writer in (self._client, self._server) if writer))

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        """Keep a client that came into the silence for as long as it believes in it."""
        self._own = True
        while await reader.read(CHUNK):
            pass

    async def _join(self, client: asyncio.StreamReader, host: str, port: int) -> None:
        assert self._client is not None
        if client.at_eof():
            return
        server, self._server = await asyncio.open_connection(host, port)
        self._lines = {
            "to_server": _Line(self, client, self._server),
            "to_client": _Line(self, server, self._client),
        }
        passing = [asyncio.create_task(line.run(way)) for way, line in self._lines.items()]
        ended = asyncio.create_task(self._ended.wait())
        try:
            done, _ = await asyncio.wait({ended, passing[0]}, return_when=asyncio.FIRST_COMPLETED)
            if passing[0] in done and not ended.done():
                await self._outlast(passing[1], ended)
        finally:
            for task in (*passing, ended):
                task.cancel()
            await asyncio.wait({*passing, ended})

    async def _outlast(self, answers: "asyncio.Task[None]", ended: "asyncio.Task[bool]") -> None:
        """A client that has said all may still be waiting for its answer."""
        if not isinstance(self.fault, SILENT):
            await asyncio.wait({answers, ended}, return_when=asyncio.FIRST_COMPLETED)

    def end(self) -> None:
        """Close both ends."""
        self._ended.set()

    def _reset(self) -> None:
        for writer in (self._client, self._server):
            if writer is not None:
                _abort(writer)
        self._ended.set()


class _Line:
    """One way of a connection: what was read is passed on when it is due."""

    def __init__(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.passed = 0
        """Bytes since the fault of now came."""

        self._connection, self._reader, self._writer = connection, reader, writer
        self._underway: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        self._last_due = 0.0

    async def run(self, way: str) -> None:
        """Pass on until the end of what is said."""
        reading = asyncio.create_task(self._read())
        try:
            await self._write(way)
        except OSError:
            self._connection.end()
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def _read(self) -> None:
        data = b"first"
        while data:
            try:
                data = await self._reader.read(CHUNK)
            except OSError:
                # A silence swallows this good-bye like any other.
                data = b""
                if not isinstance(self._connection.fault, SILENT):
                    self._connection.end()
            await self._underway.put((self._due(), data))

    def _due(self) -> float:
        now, fault = asyncio.get_running_loop().time(), self._connection.fault
        if isinstance(fault, Latency):
            now += fault.seconds + random.uniform(0, fault.jitter)  # noqa: S311 - mere noise
        self._last_due = max(self._last_due, now)
        return self._last_due

    async def _write(self, way: str) -> None:
        loop, data = asyncio.get_running_loop(), b"first"
        while data:
            due, data = await self._underway.get()
            await asyncio.sleep(due - loop.time())
            if isinstance(self._connection.fault, SILENT):
                if not data and way == "to_client":
                    await asyncio.Event().wait()  # the client is not told that its server left
            elif data:
                await self._pass_on(data, way)
            elif self._writer.can_write_eof():
                self._writer.write_eof()

    async def _pass_on(self, data: bytes, way: str) -> None:
        while data:
            fault, size = self._connection.fault, len(data)
            if isinstance(fault, SILENT):
                return
            if isinstance(fault, Bandwidth):
                size = max(1, int(fault.bytes_a_second * ROUND))
                await asyncio.sleep(min(size, len(data)) / fault.bytes_a_second)
            limit: int | None = getattr(fault, way, None)
            if limit is not None:
                size = min(size, limit - self.passed)
            piece, data = data[:size], data[size:]
            self._writer.write(piece)
            await self._writer.drain()
            self.passed += len(piece)
            if limit is not None and self.passed >= limit:
                self._connection.end()
                return


async def _close(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
    try:
        async with asyncio.timeout(GOOD_BYE):
            for writer in writers:
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        pass  # whoever does not read the rest does without
    finally:
        for writer in writers:
            writer.transport.abort()


def _abort(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE
        )
    writer.transport.abort()


@contextmanager
def in_own_thread(proxy: FaultProxy) -> Iterator[FaultProxy]:
    """Run the proxy in a thread: also for a program without a loop, or with a busy one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault proxy")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result()
        try:
            yield proxy
        finally:
            asyncio.run_coroutine_threadsafe(proxy.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
