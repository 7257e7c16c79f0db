"""One answer for all who ask for the same at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class Shared(Generic[Key, Answer]):
    """Finds each answer once for all who wait for it; who asks later gets another one.

    It may be a little older than the question: only for what is right at any moment.
    """

    def __init__(self) -> None:
        self._asked: dict[Key, asyncio.Task[Answer]] = {}

    async def answer(self, key: Key, find: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """Return what `find` returns, or what it did for somebody who asked just before."""
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.create_task(find())
            asked.add_done_callback(lambda found: self._answered(key, found))
        return await asyncio.shield(asked)  # one of them may go, the others still want it

    def _answered(self, key: Key, found: "asyncio.Task[Answer]") -> None:
        del self._asked[key]
        if not found.cancelled():
            found.exception()  # all who asked may have gone: nobody else would look at it
