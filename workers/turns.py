"""What one worker at a time does for all of them, at a steady pace."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from loguru import logger
from redis.asyncio import Redis

from workers.runner import describe


class InTurn:
    """Calls `act` once in each `pace`, however many workers there are.

    `name` tells what is done: workers that share a name and a Redis share the turns.
    """

    def __init__(
        self, redis: Redis, name: str, act: Callable[[], Awaitable[object]], pace: timedelta
    ) -> None:
        self._redis, self._name, self._act, self._pace = redis, name, act, pace
        self._failing = False

    async def __call__(self) -> None:
        """Go on until cancelled; what a fault leaves out, the next turn makes good."""
        # Held by the worker whose turn it is; it runs out before the next.
        turn, length = f"storyloom:turn:{self._name}", int(self._pace.total_seconds() * 950)
        while True:
            try:
                if await self._redis.set(turn, b"", nx=True, px=length):
                    await self._act()
                self._failing = False
            except Exception as error:  # noqa: BLE001 - an outage; it is said once
                if not self._failing:
                    logger.bind(chore=self._name, error=describe(error)).warning(
                        "A chore was left out"
                    )
                self._failing = True
            await asyncio.sleep(self._pace.total_seconds())
