"""What is known about a request before its endpoint sees it."""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from starlette.types import Scope, Send

from api.admission import Admitted


@dataclass(slots=True)
class Visit:
    """One HTTP request or one WebSocket, as the middleware found it.

    `connection` is None for servers that give no access to theirs. `network` is the address that
    limits count by: a single IPv4, or a /64 of IPv6. `admitted` is what its buckets said, None
    where nobody can tell how much the caller asked for lately. `cost` is what the operation costs,
    once that is known. `facts` go into the log line.
    """

    request_id: str
    connection: asyncio.WriteTransport | None = None
    address: str = "unknown"
    network: str = "unknown"
    admitted: Admitted | None = None
    cost: Mapping[str, int | None] | None = None
    account_id: UUID | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def abort(self) -> None:
        """Cut the connection: what was not sent yet is lost."""
        if self.connection is not None:
            self.connection.abort()

    def abort_when_ignored(self, seconds: float) -> None:
        """Have it cut when the client's system takes nothing for so long of what was sent.

        That is so when its program does not read, and when it vanished without a word. Linux knows
        (RFC 5482); elsewhere such a connection lasts until its buffers are full.
        """
        held = self.connection and self.connection.get_extra_info("socket")
        if held and hasattr(socket, "TCP_USER_TIMEOUT"):
            with suppress(OSError):  # it is no TCP
                held.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))


def visit_of(scope: Scope) -> Visit:
    """Return the visit of an ASGI scope."""
    return cast("Visit", scope["storyloom.visit"])


def begin_visit(scope: Scope, request_id: str, send: Send) -> Visit:
    """Remember a new visit in its scope; `send` is the server's own."""
    visit = scope["storyloom.visit"] = Visit(request_id, _connection_of(send))
    return visit


def _connection_of(send: Send) -> asyncio.WriteTransport | None:
    """Find the connection, which ASGI has no word for.

    It is cut where an orderly close would wait until everything was sent: for ever, where the
    client never reads. In uvicorn `send` is a method of the protocol object, which holds it.
    """
    return getattr(getattr(send, "__self__", None), "transport", None)
