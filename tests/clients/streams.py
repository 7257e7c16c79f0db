"""Readers of long HTTP responses: server-sent events as browsers read them, parts as Apollo does.

Both are stricter than what they imitate: AssertionError for whatever the protocol does not say.
"""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from httpx2 import Response

MULTIPART = (
    "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,"
    "application/graphql-response+json,application/json;q=0.9"
)
"""What Apollo Client sends as `Accept` with a subscription."""

ROUTER = 'multipart/mixed;subscriptionSpec="1.0", application/json'
"""What the protocol's own page says that clients send."""

URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, "
    "text/event-stream, multipart/mixed"
)
"""What urql sends as `Accept` with everything."""

PART = re.compile(rb"\r\nContent-Type: application/json\r\n\r\n(.*)", re.DOTALL)


@dataclass(frozen=True)
class Message:
    """A dispatched event, or a comment (whose kind is empty)."""

    kind: str
    text: str
    last_id: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The result that a `next` event holds."""
        assert self.kind == "next", self
        result: dict[str, Any] = json.loads(self.text)
        return result

    @property
    def data(self) -> dict[str, Any]:
        """The result's data; there must be no errors."""
        assert set(self.body) == {"data", "extensions"}, self.body
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def codes(self) -> list[str]:
        """The codes of the result's errors."""
        return [error["extensions"]["code"] for error in self.body["errors"]]


async def server_sent(response: Response) -> AsyncIterator[Message]:
    """Read an event stream to its end, event by event."""
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    last_id, buffer = None, b""
    async for chunk in response.aiter_bytes():
        *blocks, buffer = (buffer + chunk).split(b"\n\n")
        for block in blocks:
            fields: dict[str, str] = {}
            for line in block.decode().split("\n"):
                name, colon, value = line.partition(":")
                assert colon, f"no field: {line}"
                assert name in {"", "event", "id", "data"} - set(fields), f"not expected: {line}"
                fields[name] = value.removeprefix(" ")
            last_id = fields.get("id", last_id)
            if "" in fields:
                yield Message("", fields[""], last_id)
            else:
                yield Message(fields["event"], fields["data"], last_id)
    assert buffer == b"", "the stream ended within an event"


async def said(response: Response) -> list[Message]:
    """Return all events of a stream, without its comments."""
    return [message async for message in server_sent(response) if message.kind]


async def parts(response: Response) -> AsyncIterator[dict[str, Any]]:
    """Read a multipart response to its end, part by part, heartbeats included."""
    assert response.status_code == 200
    kind, boundary, edition = response.headers["content-type"].split(";")
    assert (kind, boundary, edition) == (
        "multipart/mixed",
        'boundary="graphql"',
        "subscriptionSpec=1.0",
    )
    buffer, is_preamble = b"", True
    async for chunk in response.aiter_bytes():
        *found, buffer = (buffer + chunk).split(b"\r\n--graphql")
        for each in found:
            if is_preamble:
                assert each == b""
                is_preamble = False
                continue
            part = PART.fullmatch(each)
            assert part is not None, each
            yield json.loads(part[1])
    assert buffer == b"--\r\n", "the last delimiter is missing"
