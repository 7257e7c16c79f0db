"""A crowd of clients in a process of its own: follows stories, and tells what it saw.

Reads one line of JSON, a `Task`; connects, and writes one line; at the next line it reads it
measures, and at the one after that it writes what it measured and goes.
"""

import asyncio
import json
import select
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

AT_ONCE = 50
"""Handshakes at once."""

OPEN_SECONDS = 60
"""A client that is not served by then counts as failed."""

STAMP = "sent-at:"
"""Stands before the monotonic time, in nanoseconds, at which a text was appended."""


@dataclass(frozen=True)
class Seat:
    """Whom a client is, and what it follows."""

    token: str
    story_id: str


@dataclass
class Crowd:
    """The clients of one process. The last `silent` ones stop reading once they are served."""

    url: str
    query: str
    seats: list[Seat]
    silent: int
    failures: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)
    """How many texts took so many milliseconds."""
    measuring: bool = False
    lost: int = 0
    _readers: list["asyncio.Task[None]"] = field(default_factory=list)
    _deaf: dict[int, float] = field(default_factory=dict)
    _held: list[ClientConnection] = field(default_factory=list)

    @property
    def connected(self) -> int:
        """How many were served."""
        return len(self._held)

    async def arrive(self) -> None:
        """Connect everybody; the silent ones come last."""
        gate = asyncio.Semaphore(AT_ONCE)
        talking = len(self.seats) - self.silent
        await asyncio.gather(*(self._come(seat, gate) for seat in self.seats[:talking]))
        await asyncio.gather(*(self._come(seat, gate, deaf=True) for seat in self.seats[talking:]))

    async def leave(self) -> None:
        """Go without a word, as crowds do."""
        for reader in self._readers:
            reader.cancel()
        for socket in self._held:
            socket.transport.abort()

    def watch_the_deaf(self, patience: float) -> list[float]:
        """Return after how many seconds each silent client was hung up on; run it in a thread."""
        poll, waits = select.poll(), list[float]()
        for descriptor in self._deaf:
            poll.register(descriptor, select.POLLRDHUP)
        until = time.monotonic() + patience
        while len(waits) < len(self._deaf) and time.monotonic() < until:
            for descriptor, _ in poll.poll(100):
                poll.unregister(descriptor)
                waits.append(time.monotonic() - self._deaf[descriptor])
        return waits

    async def _come(self, seat: Seat, gate: asyncio.Semaphore, *, deaf: bool = False) -> None:
        async with gate:
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    socket = await self._served(seat)
            except Exception as fault:  # noqa: BLE001 - counted, whatever it is
                self.failures[f"{type(fault).__name__}: {fault}"[:120]] += 1
                return
        self._held.append(socket)
        if deaf:
            socket.transport.pause_reading()
            self._deaf[socket.transport.get_extra_info("socket").fileno()] = time.monotonic()
        else:
            self._readers.append(asyncio.create_task(self._read(socket)))

    async def _served(self, seat: Seat) -> ClientConnection:
        """Open a socket and return it once the first event is there."""
        socket = await connect(
            self.url,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            compression=None,
            proxy=None,
            ping_interval=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=1,
        )
        await _say(socket, type="connection_init", payload={"accessToken": seat.token})
        payload = {"query": self.query, "variables": {"storyId": seat.story_id}}
        await _say(socket, id="1", type="subscribe", payload=payload)
        for wanted in ("connection_ack", "next"):
            frame = json.loads(await socket.recv())
            if frame["type"] != wanted or "errors" in frame.get("payload", {}):
                raise ConnectionRefusedError(json.dumps(frame))
        return socket

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                message = str(await socket.recv())
                stamp = message.find(STAMP)
                if stamp >= 0:
                    if self.measuring:
                        sent = int(message[stamp + len(STAMP) :].split(" ", 1)[0])
                        self.latencies[(time.monotonic_ns() - sent) // 1_000_000] += 1
                elif message == '{"type":"ping"}':
                    await _say(socket, type="pong")
        self.lost += 1


async def _say(socket: ClientConnection, **frame: Any) -> None:  # noqa: ANN401 - JSON
    await socket.send(json.dumps(frame))


async def main() -> None:
    """Do as the lines on the standard input say."""
    task = json.loads(await _line())
    seats = [Seat(*seat) for seat in task["seats"]]
    crowd = Crowd(task["url"], task["query"], seats, task["silent"])
    await crowd.arrive()
    _tell({"connected": crowd.connected, "failures": crowd.failures})
    deaf = asyncio.create_task(asyncio.to_thread(crowd.watch_the_deaf, task["patience"]))
    await _line()
    crowd.measuring = True
    await _line()
    crowd.measuring = False
    lost, waits = crowd.lost, await deaf
    _tell({"latencies": crowd.latencies, "lost": lost, "hung_up_after": waits})
    await crowd.leave()


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
