"""The ends of sessions, told through Redis to every process within moments."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from uuid import UUID

from loguru import logger
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from adapters.listening import PULSE, messages, stop
from adapters.outages import REDIS_OUTAGES, failing_closed
from usecases.ports.time_and_chance import Clock

CHANNEL = "session:ends"
SINCE = "session:ends:since"
MARGIN = timedelta(minutes=1)
"""More than the clocks of two processes are ever apart."""

PATIENCE = 1.0
"""Seconds between two attempts to listen while Redis is away."""


class RedisSessionEnds:
    """Implements `SessionEnds`.

    An end is a marker that lives as long as the last access token of the session, and a message on
    one channel, which each process hears through a single subscription. Redis also keeps the time
    since when it has heard every end: after it was emptied, an absent marker proves nothing until
    every access token of before has expired.
    """

    def __init__(
        self, redis: Redis, *, access_life: timedelta, clock: Clock, pulse: float = PULSE
    ) -> None:
        """`redis` answers bytes; `pulse` is that of its `messages`."""
        self._redis, self._clock = redis, clock
        self._memory, self._pulse = access_life + MARGIN, pulse
        self._watched: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._unseen: set[UUID] = set()
        self._listener: asyncio.Task[None] | None = None
        self._is_listening = False

    async def announce(self, session_id: UUID) -> None:
        """Make it known; again does no harm. Raises UpstreamUnavailable."""
        with failing_closed():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.set(_marker(session_id), 1, px=self._memory)
                pipe.publish(CHANNEL, str(session_id))
                await pipe.execute()

    async def has_ended(self, session_id: UUID) -> bool | None:
        """Whether it has ended; None where Redis is away, or was emptied not long ago."""
        try:
            marker, since = await self._redis.mget(_marker(session_id), SINCE)
            if marker is not None:
                return True
            now = self._clock.now().timestamp()
            if since is None:
                await self._redis.set(SINCE, now, nx=True)
                return None
        except REDIS_OUTAGES:
            return None
        return False if now - float(since) >= self._memory.total_seconds() else None

    @asynccontextmanager
    async def ended(self, session_id: UUID) -> AsyncIterator[asyncio.Event]:
        """Watch a session: the event is set within moments of its end, or at once after it."""
        event = asyncio.Event()
        self._watched[session_id].add(event)
        try:
            if self._listener is None or self._listener.done():
                self._listener = asyncio.create_task(self._listen(), name="session ends")
            elif self._is_listening:  # else the listener looks, as soon as it hears again
                await self._look([session_id])
            yield event
        finally:
            self._watched[session_id].discard(event)
            if not self._watched[session_id]:
                del self._watched[session_id]

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            await stop(self._listener)
            self._listener = None

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL)
                    await self._hear(subscription)
            except REDIS_OUTAGES:
                logger.warning("Ends of sessions are not heard until Redis answers again")
            except Exception:  # noqa: BLE001 - whatever it is, open sockets rely on the listener
                logger.exception("Ends of sessions are not heard for a moment, by a fault of ours")
            finally:
                self._is_listening = False
            await asyncio.sleep(PATIENCE)

    async def _hear(self, subscription: PubSub) -> None:
        async with aclosing(messages(subscription, self._pulse)) as heard:
            async for message in heard:
                if message["type"] == "message":
                    self._tell(UUID(message["data"].decode()))
                elif message["type"] == "subscribe":
                    # Also after the client has reconnected by itself: what was said then is lost.
                    self._is_listening = True
                    self._unseen.update(self._watched)
                if self._unseen:
                    unseen, self._unseen = self._unseen & self._watched.keys(), set()
                    await self._look(unseen)

    async def _look(self, session_ids: Collection[UUID]) -> None:
        """Tell those that have ended without a word to us; the listener tries again what fails."""
        if not session_ids:
            return
        try:
            markers = await self._redis.mget([_marker(session_id) for session_id in session_ids])
        except REDIS_OUTAGES:
            self._unseen.update(session_ids)
            return
        for session_id, marker in zip(session_ids, markers, strict=True):
            if marker is not None:
                self._tell(session_id)

    def _tell(self, session_id: UUID) -> None:
        for event in self._watched.get(session_id, ()):
            event.set()


def _marker(session_id: UUID) -> str:
    return f"session:ended:{session_id}"
