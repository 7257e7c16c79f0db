"""Reads logs for all followers of a process: few reads at once, and one for all who ask alike."""

import asyncio
from dataclasses import dataclass
from typing import Any

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.event_log.entries import decode_stored
from domain.events import Cursor, Recorded

PAGE = 500
"""Events that are read at once."""

AT_ONCE = 8
"""Reads at once: after a restart of Redis all followers ask, and each read takes a connection."""


@dataclass(frozen=True, slots=True)
class Page:
    """What comes after a cursor: all of it where it is `whole`; nothing where the cursor is `lost`.

    Its events are shared by all who asked.
    """

    events: tuple[Recorded, ...] = ()
    whole: bool = True
    lost: bool = False


class Reading:
    """The reads of one process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._asked: dict[tuple[str, Cursor], asyncio.Task[Page | None]] = {}
        self._running: set[asyncio.Task[Page | None]] = set()
        self._away = False

    async def after(self, stream: str, last: Cursor) -> Page | None:
        """Return a page as it is at a moment after the call; None where Redis does not answer."""
        asked = self._asked.get((stream, last))
        if asked is None:
            asked = asyncio.create_task(self._read(stream, last))
            self._asked[stream, last] = asked
            self._running.add(asked)
            asked.add_done_callback(self._running.discard)
        return await asyncio.shield(asked)  # one of them may go, the others still want it

    async def aclose(self) -> None:
        """Give up what is being read."""
        for task in (running := set(self._running)):
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _read(self, stream: str, last: Cursor) -> Page | None:
        async with self._slots:
            # Who asks from here on may mean an event that this read does not see any more.
            del self._asked[stream, last]
            try:
                entries = list(await self._redis.xrange(stream, min=str(last), count=PAGE))
            except (RedisError, OSError) as fault:
                if not self._away:
                    logger.bind(fault=type(fault).__name__).warning("The event log cannot be read")
                self._away = True
                return None
        self._away = False
        return _page(entries, last)


def _page(entries: list[tuple[bytes, Any]], last: Cursor) -> Page:
    """Check that nothing is missing: a whole log still has the entry `last`, or the one after."""
    if not entries and last.sequence > 0:
        return Page(lost=True)
    anchored = bool(entries) and entries[0][0] == str(last).encode()
    try:
        events = tuple(decode_stored(*entry) for entry in entries[1 if anchored else 0 :])
    except ValueError:
        return Page(lost=True)
    previous = last
    for recorded in events:
        begins = recorded.cursor.epoch > previous.epoch and recorded.cursor.sequence == 1
        if not (recorded.cursor.follows(previous) or (anchored and begins)):
            return Page(lost=True)
        previous, anchored = recorded.cursor, True
    return Page(events, whole=len(entries) < PAGE)
