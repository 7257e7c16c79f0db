"""One listener a process: a single connection to Redis that serves every follower here."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from contextvars import Context
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.event_log.entries import decode_announced
from adapters.listening import PULSE, messages, stop
from domain.events import Recorded
from usecases.ports.live import FollowerTooSlow

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

ALIVE = "events:listeners"
"""A channel that every listener keeps, so that its connection is never without one."""

MOST_EVENTS = 256
MOST_BYTES = 2**20
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


class Notice(Enum):
    """What an inbox says when it hands out no event."""

    READ = auto()
    """Announcements may have been missed: read the log."""

    SILENCE = auto()
    """Nothing came for a while."""


class Announced(NamedTuple):
    """An event and its bytes as they were announced: one for all followers who have to take it."""

    event: Recorded
    size: int


class Inbox:
    """What one follower has not yet taken: bounded, and never missing anything in its middle."""

    def __init__(self) -> None:
        self._events: deque[Announced] = deque()
        self._bytes = 0
        self._read = False
        self._full = False
        self._something = asyncio.Event()

    def put(self, announced: Announced) -> None:
        """Add an event; where too much has piled up, drop all and remember it."""
        if self._full:
            return
        self._events.append(announced)
        self._bytes += announced.size
        if len(self._events) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self._full = True
            self._empty()
        self._something.set()

    def ask_to_read(self) -> None:
        """What was announced so far is in the log, or lost: the follower must look."""
        self._read = True
        self._empty()
        self._something.set()

    def tell_of_silence(self) -> None:
        """Nothing was announced for a while; only who waits has to know."""
        self._something.set()

    async def take(self) -> Recorded | Notice:
        """Return what is next. Raises FollowerTooSlow when too much had piled up."""
        await self._something.wait()
        if self._full:
            raise FollowerTooSlow
        taken: Recorded | Notice = Notice.SILENCE
        if self._read:
            taken, self._read = Notice.READ, False
        elif self._events:
            taken, size = self._events.popleft()
            self._bytes -= size
        if not self._events:
            self._something.clear()
        return taken

    def _empty(self) -> None:
        self._events.clear()
        self._bytes = 0


class Hub:
    """Listens for all followers of this process.

    A channel is listened to while it has followers. Each time that Redis confirms a channel, at
    first and after every lost connection, its followers are asked to read what they missed.
    """

    def __init__(self, redis: Redis, silence: float, pulse: float = PULSE) -> None:
        """Set the bounds of silence, in seconds.

        After a `silence` of a channel all its followers are told of it, at the same moment. After
        a `pulse` without a word the connection is tried by a ping.
        """
        self._redis, self._silence, self._pulse = redis, silence, pulse
        self._heard_at: dict[bytes, float] = {}
        self._silences: dict[bytes, asyncio.TimerHandle] = {}
        self._inboxes: defaultdict[bytes, set[Inbox]] = defaultdict(set)
        self._confirmed: set[bytes] = set()
        self._changed = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    @contextmanager
    def inbox(self, channel: str) -> Iterator[Inbox]:
        """Follow a channel for the length of a block; the first notice to come is READ."""
        name, inbox = channel.encode(), Inbox()
        if name not in self._inboxes:
            self._heard_at[name] = asyncio.get_running_loop().time()
            self._await_silence(name)
        self._inboxes[name].add(inbox)
        if self._listener is None or self._listener.done():
            # Not in the context of a request: it serves all that come after.
            self._listener = asyncio.create_task(
                self._listen(), name="event listener", context=Context()
            )
        if name in self._confirmed:
            inbox.ask_to_read()
        self._changed.set()
        try:
            yield inbox
        finally:
            self._inboxes[name].discard(inbox)
            if not self._inboxes[name]:
                del self._inboxes[name], self._heard_at[name]
                self._silences.pop(name).cancel()
                self._changed.set()

    async def aclose(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            await stop(self._listener)
            self._listener = None

    def _await_silence(self, channel: bytes) -> None:
        """Look at a channel again when it may have been silent for long enough."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._heard_at[channel] + self._silence:
            self._heard_at[channel] = loop.time()
            for inbox in self._inboxes.get(channel, ()):
                inbox.tell_of_silence()
        self._silences[channel] = loop.call_at(
            self._heard_at[channel] + self._silence, self._await_silence, channel
        )

    async def _listen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(ALIVE)
                    await pubsub.get_message(timeout=self._pulse)
                    pause = FIRST_PAUSE
                    await self._serve(pubsub)
            except (RedisError, OSError, RuntimeError, AttributeError) as fault:
                # The last two are redis-py's and asyncio's when the connection is lost between
                # the task that subscribes and the one that reads.
                logger.bind(fault=type(fault).__name__).warning("Live events are cut off")
            except Exception:  # noqa: BLE001 - whatever it is, followers wait for the next listener
                logger.exception("Live events are cut off by a fault of ours")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _serve(self, pubsub: "PubSub") -> None:
        """Keep to the wanted channels and hand out what comes, until the connection is lost."""
        listened: set[bytes] = set()
        reading = asyncio.create_task(self._read(pubsub))
        try:
            while not reading.done():
                self._changed.clear()
                wanted = set(self._inboxes)
                if added := wanted - listened:
                    await pubsub.subscribe(*added)
                if removed := listened - wanted:
                    await pubsub.unsubscribe(*removed)
                listened = wanted
                changed = asyncio.create_task(self._changed.wait())
                try:
                    await asyncio.wait({reading, changed}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
            reading.result()
        finally:
            self._confirmed.clear()
            await stop(reading)
            if not reading.cancelled():
                reading.exception()

    async def _read(self, pubsub: "PubSub") -> None:
        async with aclosing(messages(pubsub, self._pulse)) as heard:
            async for message in heard:
                self._hand_out(message["type"], message["channel"], message["data"])

    def _hand_out(self, kind: str, channel: bytes, data: bytes) -> None:
        followers = self._inboxes.get(channel, ())
        if kind == "subscribe":
            self._confirmed.add(channel)
            for inbox in followers:
                inbox.ask_to_read()
        elif kind == "unsubscribe":
            self._confirmed.discard(channel)
        elif kind == "message" and followers:
            self._heard_at[channel] = asyncio.get_running_loop().time()
            try:
                announced = Announced(decode_announced(data), len(data))
            except ValueError:
                logger.warning("An announced event cannot be read")
                for inbox in followers:
                    inbox.ask_to_read()
            else:
                for inbox in followers:
                    inbox.put(announced)
