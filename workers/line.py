"""The waiting line: its stories are told their places, by one worker at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from loguru import logger
from redis.asyncio import Redis

from workers.runner import describe

TURN = "storyloom:line:announced"
"""Held in Redis by the worker whose turn it is; it runs out before the next."""


class LineAnnouncer:
    """Calls `announce` once in each `pace`, however many workers there are."""

    def __init__(
        self,
        redis: Redis,
        announce: Callable[[], Awaitable[object]],
        pace: timedelta = timedelta(seconds=2),
    ) -> None:
        self._redis, self._announce, self._pace = redis, announce, pace
        self._failing = False

    async def __call__(self) -> None:
        """Go on until cancelled; what a fault leaves out, the next turn makes good."""
        turn = int(self._pace.total_seconds() * 950)
        while True:
            try:
                if await self._redis.set(TURN, b"", nx=True, px=turn):
                    await self._announce()
                self._failing = False
            except Exception as error:  # noqa: BLE001 - an outage; it is said once
                if not self._failing:
                    logger.bind(error=describe(error)).warning("Places in line not announced")
                self._failing = True
            await asyncio.sleep(self._pace.total_seconds())
