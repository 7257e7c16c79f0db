"""One execution and one encoding of an event, for all in this process who asked for the same.

What is told of an event hangs on the event, on what is selected of it, and on who looks. Those who
are alike in that form a group; where they came from and where they began (their connection, their
cursor) makes no difference to it.
"""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from api.graphql.documents import Document

Tell = Callable[[], Awaitable[bytes]]
"""Executes an event and encodes what is told of it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Those to whom the same is told of the same event.

    `variables` are those that what is told can depend on, in one spelling.
    """

    document: Document
    operation: str | None
    variables: bytes
    viewer: UUID | None

    @classmethod
    def of(
        cls,
        document: Document,
        operation: str | None,
        variables: dict[str, Any],
        viewer: UUID | None,
    ) -> "Group":
        """Return the group of a subscription."""
        telling = {
            name: variables[name] for name in document.shaping[operation] if name in variables
        }
        spelling = orjson.dumps(telling, option=orjson.OPT_SORT_KEYS)
        return cls(document, operation, spelling, viewer)


@dataclass(slots=True, eq=False)
class Encoded:
    """What is told of an event: a JSON object that still lacks each reader's own `extensions`.

    `position` is the event's place in its log, where it has one.
    """

    content: bytes
    position: str | None = None
    _text: str | None = None

    def bytes_with(self, tail: str) -> bytes:
        """Return the whole object, `tail` being its last entry, in UTF-8."""
        return b"".join((memoryview(self.content)[:-1], b",", tail.encode(), b"}"))

    def text_with(self, tail: str) -> str:
        """Return the whole object as text, `tail` being its last entry."""
        if self._text is None:
            self._text = self.content[:-1].decode()
        return f"{self._text},{tail}}}"


@dataclass(slots=True)
class _Share:
    """What one group is told of one event. Only who holds the lock may execute."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    encoded: Encoded | None = None


class Sharing:
    """Keeps what was encoded of an event for as long as anybody still holds the event itself."""

    def __init__(self) -> None:
        self._shares: dict[int, tuple[weakref.ref[Any], dict[Group, _Share]]] = {}

    def __len__(self) -> int:
        """Count the events that are shared now."""
        return len(self._shares)

    async def told(self, event: object, group: Group, tell: Tell) -> Encoded:
        """Return what a group is told of an event: the first who asks executes it.

        Where the first one leaves before it is done, the next one does it. An event without a
        position is its follower's own, and not shared.
        """
        position = getattr(event, "position", None)
        if position is None:
            return Encoded(await tell())
        share = self._share(event, group)
        if share.encoded is None:
            async with share.lock:
                if share.encoded is None:
                    share.encoded = Encoded(await tell(), position)
        return share.encoded

    def _share(self, event: object, group: Group) -> _Share:
        key = id(event)
        if key not in self._shares:
            gone = weakref.ref(event, lambda _: self._shares.pop(key, None))
            self._shares[key] = (gone, {})
        return self._shares[key][1].setdefault(group, _Share())
