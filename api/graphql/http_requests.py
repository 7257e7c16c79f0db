"""Reads what a client asks for out of a request of HTTP, or says why HTTP itself refuses it."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from api.codes import Code
from api.graphql.errors import Refused, refused
from api.graphql.negotiation import JSON, content_type
from api.graphql.requests import GraphQLRequest, read_json
from api.graphql.stay import ClientGone

PREFLIGHT_HEADERS = (
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
)
"""A page of another origin cannot send these without asking first (CORS preflight)."""

LINGER_SECONDS = 2
"""How long the rest of a refused body is thrown away, so that its sender reads the answer."""


class Rejected(Exception):  # noqa: N818 - an answer
    """A request that HTTP itself refuses."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.headers = headers


class TooLarge(Rejected):
    """Its body is too large, and has not all come: answer through `lingering`."""

    def __init__(self, most: int) -> None:
        super().__init__(
            413,
            Code.PAYLOAD_TOO_LARGE,
            f"A request may have at most {most} bytes.",
            headers={"Connection": "close"},
        )


def not_allowed(allow: str) -> Rejected:
    """Make the refusal of a method."""
    return Rejected(405, Code.VALIDATION_FAILED, f"Use {allow} for this.", headers={"Allow": allow})


async def read_request(
    scope: Scope, headers: Headers, receive: Receive, most_bytes: int
) -> GraphQLRequest:
    """Read what a GET or a POST asks for. Raises Rejected, or ClientGone before all has come."""
    try:
        if scope["method"] == "GET":
            return GraphQLRequest.of(_parameters(scope, headers))
        kind, charset = content_type(headers.get("content-type"))
        if kind != JSON or charset not in {"utf-8", "utf8"}:
            raise Rejected(415, Code.VALIDATION_FAILED, f"Send the request as {JSON}, in UTF-8.")
        if headers.get("content-encoding", "identity") != "identity":
            raise Rejected(415, Code.VALIDATION_FAILED, "Send the request uncompressed.")
        return GraphQLRequest.of(read_json(await _body(headers, receive, most_bytes)))
    except Refused as malformed:
        raise Rejected(400, Code.VALIDATION_FAILED, malformed.errors[0]["message"]) from malformed


def _parameters(scope: Scope, headers: Headers) -> dict[str, Any]:
    """Return the parameters of a GET, those that are JSON decoded.

    What it runs must be chosen by us, by its hash, or by a page that may send our headers.
    """
    try:
        pairs = parse_qsl(
            scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=10,
        )
    except ValueError:
        raise refused(Code.VALIDATION_FAILED, "The query string is not valid.") from None
    parameters: dict[str, Any] = dict(pairs)
    for name in ("variables", "extensions"):
        if parameters.get(name):
            parameters[name] = read_json(parameters[name])
        else:
            parameters.pop(name, None)
    by_hash = "query" not in parameters and parameters.keys() & {"documentId", "extensions"}
    if not by_hash and not any(name in headers for name in PREFLIGHT_HEADERS):
        raise Rejected(
            403,
            Code.FORBIDDEN,
            "A GET needs a trusted document, or one of the headers "
            f"{', '.join(PREFLIGHT_HEADERS)} with any value.",
        )
    return parameters


async def _body(headers: Headers, receive: Receive, most_bytes: int) -> bytes:
    if int(headers.get("content-length", "0")) > most_bytes:
        raise TooLarge(most_bytes)
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > most_bytes:
            raise TooLarge(most_bytes)
        more = message.get("more_body", False)
    return bytes(body)


def lingering(receive: Receive, send: Send) -> Send:
    """Return a way to answer before the body has come, and then let its sender finish for a moment.

    A connection that is closed while its peer still writes is reset, and the answer is lost.
    """

    async def send_and_linger(message: Message) -> None:
        if message["type"] == "http.response.body":
            await send({**message, "more_body": True})
            try:
                async with asyncio.timeout(LINGER_SECONDS):
                    while (await receive()).get("more_body", False):
                        pass
            except TimeoutError:
                pass
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return send_and_linger
