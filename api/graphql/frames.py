"""The messages of graphql-transport-ws, read with suspicion and written once.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from dataclasses import dataclass
from typing import Any

import orjson

from api.graphql.errors import ErrorEntry, Refused
from api.graphql.requests import GraphQLRequest, read_json

SUBPROTOCOL = "graphql-transport-ws"
LONGEST_REASON = 123
"""Bytes of a close reason (RFC 6455, 5.5): a longer one would end the socket abnormally."""


class SocketClosed(Exception):  # noqa: N818 - an event
    """The socket is to be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:LONGEST_REASON].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Init:
    """`connection_init`: its payload may carry the access token."""

    payload: dict[str, Any]

    @property
    def authorization(self) -> str | None:
        """The `Authorization` that the client sent, in one of its two spellings.

        `{"authorization": "Bearer …"}` (in any case) or `{"accessToken": "…"}`; anything else under
        these names is no token, and told to be none.
        """
        for name, value in self.payload.items():
            if name.lower() == "authorization" and value is not None:
                return value if isinstance(value, str) else ""
        token = self.payload.get("accessToken")
        if token is None:
            return None
        return f"Bearer {token}" if isinstance(token, str) else ""


@dataclass(frozen=True, slots=True)
class Ping:
    """`ping`: asks for a `pong`."""


@dataclass(frozen=True, slots=True)
class Pong:
    """`pong`: the client is there."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`subscribe`: starts an operation of any kind."""

    id: str
    request: GraphQLRequest


@dataclass(frozen=True, slots=True)
class Complete:
    """`complete`: the client wants no more of an operation."""

    id: str


Frame = Init | Ping | Pong | Subscribe | Complete


def read_frame(message: str | None) -> Frame:
    """Read a client's message; binary ones come as None. Raises SocketClosed with 4400."""
    if message is None:
        raise SocketClosed(4400, "Messages must be text")
    try:
        content = read_json(message)
    except Refused:
        raise SocketClosed(4400, "Messages must be valid JSON") from None
    if not isinstance(content, dict):
        raise SocketClosed(4400, "Messages must be JSON objects")
    kind, payload = content.get("type"), content.get("payload")
    match kind:
        case "connection_init":
            return Init(_object_or_none(kind, payload))
        case "ping":
            _object_or_none(kind, payload)
            return Ping()
        case "pong":
            _object_or_none(kind, payload)
            return Pong()
        case "subscribe":
            return Subscribe(_id(kind, content), _request(payload))
        case "complete":
            return Complete(_id(kind, content))
        case _:
            raise SocketClosed(4400, "Messages must have a type that clients may send")


def _object_or_none(kind: str, payload: object) -> dict[str, Any]:
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise SocketClosed(4400, f"The payload of {kind} must be an object, null or absent")
    return payload


def _request(payload: object) -> GraphQLRequest:
    try:
        return GraphQLRequest.of(payload)
    except Refused as malformed:
        raise SocketClosed(4400, malformed.errors[0]["message"]) from None


def _id(kind: str, content: dict[str, Any]) -> str:
    identifier = content.get("id")
    if not isinstance(identifier, str) or not identifier:
        raise SocketClosed(4400, f"The id of {kind} must be a string that is not empty")
    return identifier


ACK = '{"type":"connection_ack"}'
PING = '{"type":"ping"}'
PONG = '{"type":"pong"}'


def next_frame(identifier: str, payload: str) -> str:
    """Write one result of an operation, which is JSON already."""
    return f'{{"id":{orjson.dumps(identifier).decode()},"type":"next","payload":{payload}}}'


def error_frame(identifier: str, errors: list[ErrorEntry]) -> str:
    """Write that an operation could not begin, or could not go on: it is its last message."""
    return _write({"id": identifier, "type": "error", "payload": errors})


def complete_frame(identifier: str) -> str:
    """Write that an operation is done: it is its last message."""
    return _write({"id": identifier, "type": "complete"})


def _write(frame: dict[str, Any]) -> str:
    return orjson.dumps(frame).decode()
