"""Answers of the edge: JSON always, shaped as GraphQL's errors, with a code and the request id."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from starlette.datastructures import MutableHeaders
from starlette.types import Receive, Scope, Send

from api.codes import Code
from api.graphql.errors import entry
from api.graphql.negotiation import JSON
from api.visit import visit_of

NO_STORE = {"Cache-Control": "no-store"}


async def send_body(
    send: Send,
    status: int,
    body: bytes,
    media_type: str,
    headers: Mapping[str, str] | None = None,
    *,
    to: Scope,
    cookies: Iterable[str] = (),
) -> None:
    """Send a whole response; to a WebSocket it refuses the handshake.

    `cookies` are values of `Set-Cookie`.
    """
    prefix = "websocket.http.response" if to["type"] == "websocket" else "http.response"
    fields = MutableHeaders(
        headers={
            "Content-Type": f"{media_type}; charset=utf-8",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
    )
    for cookie in cookies:
        fields.append("Set-Cookie", cookie)
    await send({"type": f"{prefix}.start", "status": status, "headers": fields.raw})
    empty = to["type"] == "http" and to["method"] == "HEAD"
    await send({"type": f"{prefix}.body", "body": b"" if empty else body})


async def send_refusal(
    scope: Scope,
    send: Send,
    status: int,
    code: str,
    message: str,
    *,
    retry_after: int | None = None,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> None:
    """Refuse a request, before anything of it is run."""
    again = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = refusal_body(scope, [entry(code, message, retry_after=retry_after)])
    await send_body(
        send, status, body, media_type, {**NO_STORE, **again, **(headers or {})}, to=scope
    )


def refusal_body(scope: Scope, errors: list[dict[str, Any]]) -> bytes:
    """Write the response of a request that was not executed."""
    visit = visit_of(scope)
    cost = {} if visit.cost is None else {"cost": visit.cost}
    return orjson.dumps({"errors": errors, "extensions": {"requestId": visit.request_id, **cost}})


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what no route serves."""
    del receive
    await send_refusal(scope, send, 404, Code.NOT_FOUND, "Nothing is served here.")
