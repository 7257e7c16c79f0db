"""What is known about a request before its endpoint sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from starlette.types import Scope, Send

from api.admission import Admitted


def _nothing() -> None:
    """Do nothing: for servers that give no access to their connections."""


@dataclass(slots=True)
class Visit:
    """One HTTP request or one WebSocket, as the middleware found it.

    `network` is the address that limits count by: a single IPv4, or a /64 of IPv6. `admitted` is
    what its buckets said, None where nobody can tell how much the caller asked for lately. `abort`
    cuts the connection: what was not sent yet is lost. `cost` is what the operation costs, once
    that is known. `facts` go into the log line.
    """

    request_id: str
    address: str = "unknown"
    network: str = "unknown"
    admitted: Admitted | None = None
    abort: Callable[[], None] = _nothing
    cost: Mapping[str, int | None] | None = None
    account_id: UUID | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def visit_of(scope: Scope) -> Visit:
    """Return the visit of an ASGI scope."""
    return cast("Visit", scope["storyloom.visit"])


def begin_visit(scope: Scope, request_id: str, send: Send) -> Visit:
    """Remember a new visit in its scope; `send` is the server's own."""
    visit = scope["storyloom.visit"] = Visit(request_id, abort=_abort_of(send))
    return visit


def _abort_of(send: Send) -> Callable[[], None]:
    """Find out how to cut a connection, which ASGI has no message for.

    An orderly close waits until everything was sent: for ever, where the client never reads. In
    uvicorn `send` is a method of the protocol object, which holds the asyncio transport.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return cast("Callable[[], None]", getattr(transport, "abort", _nothing))
