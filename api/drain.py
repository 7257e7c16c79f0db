"""How a process goes: sockets are sent away one by one, then the server stops as it always does."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

SOCKETS_A_SECOND = 200
"""So slowly clients are sent to the other processes: all at once, they would come back at once."""


@dataclass(slots=True)
class Drain:
    """The end of a process. From `begin` on, nothing new is taken up on sockets.

    `seconds` is the longest time over which open sockets are sent away.
    """

    seconds: float = 3
    sockets: int = 0
    _begun: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _empty: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _step: float = field(default=0, init=False)
    _sent_away: int = field(default=0, init=False)

    @property
    def begun(self) -> bool:
        """Whether the process is going."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Start to send the sockets away."""
        if not self.begun:
            self._step = min(1 / SOCKETS_A_SECOND, self.seconds / max(1, self.sockets))
            self._begun.set()

    async def turn(self) -> None:
        """Wait until a socket must go: for ever, as long as the process stays."""
        await self._begun.wait()
        self._sent_away += 1
        await asyncio.sleep(self._step * (self._sent_away - 1))

    async def finished(self, within: float) -> bool:
        """Wait until no socket is left, or the time is over; tell whether none is."""
        if self.sockets:
            self._empty.clear()
            try:
                async with asyncio.timeout(within):
                    await self._empty.wait()
            except TimeoutError:
                return False
        return True

    @contextmanager
    def socket(self) -> Iterator[None]:
        """Count a socket for as long as it is open."""
        self.sockets += 1
        try:
            yield
        finally:
            self.sockets -= 1
            if not self.sockets:
                self._empty.set()


@contextmanager
def draining_on_sigterm(drain: Drain, seconds: float) -> Iterator[None]:
    """Drain when the process is told to stop, then hand the signal to who waits for it.

    A server closes all its sockets in one instant before it tells the application that it stops,
    so the application listens itself. A second signal is handed on at once.
    """
    loop = asyncio.get_running_loop()
    waiting: dict[int, object] = {}
    going: set[asyncio.Task[None]] = set()

    def hand_on(number: int, frame: FrameType | None) -> None:
        handler = waiting[number]
        if callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, handler)  # type: ignore[arg-type]
            signal.raise_signal(number)

    async def go(number: int, frame: FrameType | None) -> None:
        drain.begin()
        await drain.finished(seconds)
        hand_on(number, frame)

    def start(number: int, frame: FrameType | None) -> None:
        task = loop.create_task(go(number, frame))
        going.add(task)
        task.add_done_callback(going.discard)

    def on_signal(number: int, frame: FrameType | None) -> None:
        if drain.begun:
            hand_on(number, frame)
        else:
            loop.call_soon_threadsafe(start, number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        waiting[number] = signal.getsignal(number)
    try:
        for listened in waiting:
            signal.signal(listened, on_signal)
        yield
    finally:
        for listened, handler in waiting.items():
            signal.signal(listened, handler)  # type: ignore[arg-type]
