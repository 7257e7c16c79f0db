"""Devices, and the ends of sessions."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID


class DeviceNames(Protocol):
    """Tells devices in words."""

    def name(self, user_agent: str) -> str:
        """Return what a user agent says of itself, like "Firefox on Linux"."""
        ...


class Places(Protocol):
    """Tells roughly where an address is."""

    def near(self, address: str) -> str:
        """Return a country, a kind of network, or the address without its last part."""
        ...


class DeviceTokens(Protocol):
    """The format of the tokens that devices are known by."""

    def draw(self) -> str:
        """Return 256 random bits as text."""
        ...

    def digest(self, token: str) -> bytes: ...


class SessionEnds(Protocol):
    """Tells every process at once that a session has ended: its sockets close, its tokens fail."""

    async def announce(self, session_id: UUID) -> None:
        """Make it known; again does no harm. Raises UpstreamUnavailable."""
        ...

    async def has_ended(self, session_id: UUID) -> bool | None:
        """Whether it has ended; None where this cannot be told: ask the database then."""
        ...

    def ended(self, session_id: UUID) -> AbstractAsyncContextManager[asyncio.Event]:
        """Watch a session: the event is set within moments of its end, or at once after it."""
        ...


class Traces(Protocol):
    """What the fast store keeps of an account."""

    async def erase(self, account_id: UUID, contacts: Sequence[str]) -> int:
        """Remove it and return how many things there were. Raises UpstreamUnavailable.

        `contacts` are the addresses and numbers that codes and limits are kept by.
        """
        ...
