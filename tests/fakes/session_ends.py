"""Ends of sessions, told within one process."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from domain.refusals import UpstreamUnavailable


class FakeSessionEnds:
    """Implements `SessionEnds`. While it `is_down` nothing is told and nobody knows."""

    def __init__(self) -> None:
        self.is_down = False
        self.announced: list[UUID] = []
        self._watched: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)

    async def announce(self, session_id: UUID) -> None:
        if self.is_down:
            raise UpstreamUnavailable
        self.announced.append(session_id)
        for event in self._watched[session_id]:
            event.set()

    async def has_ended(self, session_id: UUID) -> bool | None:
        return None if self.is_down else session_id in self.announced

    @asynccontextmanager
    async def ended(self, session_id: UUID) -> AsyncIterator[asyncio.Event]:
        event = asyncio.Event()
        if session_id in self.announced:
            event.set()
        self._watched[session_id].add(event)
        try:
            yield event
        finally:
            self._watched[session_id].discard(event)
