"""One listener a process: a single connection to Redis that serves every follower here."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from adapters.event_log.entries import decode_announced
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


class Inbox:
    """What one follower has not yet taken: bounded, and never missing anything in its middle."""

    def __init__(self) -> None:
        self._events: deque[tuple[Recorded, int]] = deque()
        self._bytes = 0
        self._read = False
        self._full = False
        self._something = asyncio.Event()

    def put(self, event: Recorded, size: int) -> None:
        """Add an event of so many bytes; where too much has piled up, drop all and remember it."""
        if self._full:
            return
        self._events.append((event, size))
        self._bytes += size
        if len(self._events) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self._full = True
            self._empty()
        self._something.set()

    def ask_to_read(self) -> None:
        """What was announced so far is in the log, or lost: the follower must look."""
        self._read = True
        self._empty()
        self._something.set()

    async def take(self, patience: float) -> Recorded | Notice:
        """Return what is next. Raises FollowerTooSlow when too much had piled up."""
        try:
            async with asyncio.timeout(patience):
                await self._something.wait()
        except TimeoutError:
            return Notice.SILENCE
        if self._full:
            raise FollowerTooSlow
        taken: Recorded | Notice = Notice.READ
        if self._read:
            self._read = False
        else:
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

    def __init__(self, redis: Redis, pulse: float = 5.0) -> None:
        """`pulse`: seconds of silence after which the connection is tried by a ping."""
        self._redis, self._pulse = redis, pulse
        self._inboxes: defaultdict[bytes, set[Inbox]] = defaultdict(set)
        self._confirmed: set[bytes] = set()
        self._changed = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    @contextmanager
    def inbox(self, channel: str) -> Iterator[Inbox]:
        """Follow a channel for the length of a block; the first notice to come is READ."""
        name, inbox = channel.encode(), Inbox()
        self._inboxes[name].add(inbox)
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="event listener")
        if name in self._confirmed:
            inbox.ask_to_read()
        self._changed.set()
        try:
            yield inbox
        finally:
            self._inboxes[name].discard(inbox)
            if not self._inboxes[name]:
                del self._inboxes[name]
                self._changed.set()

    async def aclose(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    async def _listen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(ALIVE)
                    await pubsub.get_message(timeout=self._pulse)
                    pause = FIRST_PAUSE
                    await self._serve(pubsub)
            except (RedisError, OSError) as fault:
                logger.bind(fault=type(fault).__name__).warning("Live events are cut off")
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
                    self._confirmed -= removed
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
            reading.cancel()
            await asyncio.wait({reading})
            if not reading.cancelled():
                reading.exception()

    async def _read(self, pubsub: "PubSub") -> None:
        asked = False
        while True:
            message = await pubsub.get_message(timeout=self._pulse)
            if message is not None:
                asked = False
                self._hand_out(message["type"], message["channel"], message["data"])
            elif asked:
                raise ConnectionLost("Redis does not answer a ping")
            else:
                asked = True
                await pubsub.ping()

    def _hand_out(self, kind: str, channel: bytes, data: bytes) -> None:
        followers = self._inboxes.get(channel, ())
        if kind == "subscribe":
            self._confirmed.add(channel)
            for inbox in followers:
                inbox.ask_to_read()
        elif kind == "message" and followers:
            try:
                event = decode_announced(data)
            except ValueError:
                logger.warning("An announced event cannot be read")
                for inbox in followers:
                    inbox.ask_to_read()
            else:
                for inbox in followers:
                    inbox.put(event, len(data))
