"""GraphQL over HTTP: one operation a request.

Follows the GraphQL-over-HTTP draft as its audits have it: under `application/json` every
well-formed request is answered with 200, under `application/graphql-response+json` with 400 until
execution began.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from graphql import OperationType
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import NO_STORE, refusal_body, send_body, send_refusal
from api.codes import Code
from api.compression import compressed
from api.graphql.errors import Refused, internal_entry, refused
from api.graphql.execution import Answer, Engine, Operation
from api.graphql.negotiation import HTML, JSON, RESPONSE, accepted, content_type
from api.graphql.requests import GraphQLRequest, read_json
from api.identity import Authenticate, Caller, Identity, NewContext, identify, user_agent
from api.visit import Visit, visit_of

PREFLIGHT_HEADERS = (
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
)
"""A page of another origin cannot send these without asking first (CORS preflight)."""

LINGER_SECONDS = 2
"""How long the rest of a refused body is thrown away, so that its sender reads the answer."""

WHERE_SUBSCRIPTIONS_GO = (
    "Subscriptions run over a WebSocket at this same path, with the sub-protocol "
    "graphql-transport-ws."
)


class Rejected(Exception):  # noqa: N818 - an answer
    """A request that HTTP itself refuses."""

    def __init__(
        self,
        status: int,
        code: Code,
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


class ClientGone(Exception):  # noqa: N818 - an event
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class GraphQLOverHTTP:
    """The endpoint. `page` is served to browsers that ask for HTML, where there is one."""

    engine: Engine
    authenticate: Authenticate
    new_context: NewContext
    max_body_bytes: int = 100_000
    page: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope)
        media_type = JSON
        try:
            if scope["method"] not in {"GET", "POST"}:
                raise _not_allowed("GET, POST")
            media_type = self._negotiate(scope, headers)
            if media_type == HTML and self.page:
                await self.page(scope, receive, send)
                return
            request = await self._read(scope, headers, receive)
            await self._answer(scope, headers, request, media_type, send)
        except Rejected as no:
            if no.status == 413:  # noqa: PLR2004 - Content Too Large
                await _refuse_body(scope, receive, send, no)
                return
            await send_refusal(
                scope,
                send,
                no.status,
                no.code,
                no.message,
                retry_after=no.retry_after,
                headers=no.headers,
                media_type=media_type,
            )
        except ClientGone:
            return

    def _negotiate(self, scope: Scope, headers: Headers) -> str:
        offers = [JSON, RESPONSE]
        if self.page and scope["method"] == "GET":
            offers.append(HTML)
        media_type = accepted(",".join(headers.getlist("accept")), offers)
        if media_type is None:
            raise Rejected(406, Code.VALIDATION_FAILED, f"Answers come as {RESPONSE} or as {JSON}.")
        return media_type

    async def _read(self, scope: Scope, headers: Headers, receive: Receive) -> GraphQLRequest:
        try:
            if scope["method"] == "GET":
                return GraphQLRequest.of(_parameters(scope, headers))
            kind, charset = content_type(headers.get("content-type"))
            if kind != JSON or charset not in {"utf-8", "utf8"}:
                raise Rejected(
                    415, Code.VALIDATION_FAILED, f"Send the request as {JSON}, in UTF-8."
                )
            if headers.get("content-encoding", "identity") != "identity":
                raise Rejected(415, Code.VALIDATION_FAILED, "Send the request uncompressed.")
            return GraphQLRequest.of(read_json(await self._body(headers, receive)))
        except Refused as malformed:
            raise Rejected(
                400, Code.VALIDATION_FAILED, malformed.errors[0]["message"]
            ) from malformed

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        too_large = Rejected(
            413,
            Code.PAYLOAD_TOO_LARGE,
            f"A request may have at most {self.max_body_bytes} bytes.",
        )
        if int(headers.get("content-length", "0")) > self.max_body_bytes:
            raise too_large
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body += message.get("body", b"")
            if len(body) > self.max_body_bytes:
                raise too_large
            more = message.get("more_body", False)
        return bytes(body)

    async def _answer(
        self,
        scope: Scope,
        headers: Headers,
        request: GraphQLRequest,
        media_type: str,
        send: Send,
    ) -> None:
        visit = visit_of(scope)
        status = 200
        try:
            operation = self.engine.prepare(request)
            self._admit(scope, visit, operation)
            identity = await identify(self.authenticate, headers.get("authorization"))
            visit.account_id = identity.claims.account_id if identity.claims else None
            answer = await self._run(visit, headers, identity, operation)
            began, body = answer.began, _write(answer, visit.request_id)
            secret = operation.authenticates
        except Refused as no:
            began, body, secret = False, refusal_body(scope, no.errors), False
        if media_type == RESPONSE and not began:
            status = 400
        coding, body = (None, body) if secret else await compressed(body, headers)
        told = NO_STORE if coding is None else NO_STORE | {"Content-Encoding": coding}
        await send_body(send, status, body, media_type, told | VARY, to=scope)

    async def _run(
        self, visit: Visit, headers: Headers, identity: Identity, operation: Operation
    ) -> Answer:
        caller = Caller(visit.address, user_agent(headers), visit.request_id, identity)
        return await self.engine.run(operation, lambda: self.new_context(caller))

    @staticmethod
    def _admit(scope: Scope, visit: Visit, operation: Operation) -> None:
        visit.facts |= describe(operation)
        if operation.kind is OperationType.SUBSCRIPTION:
            raise refused(Code.VALIDATION_FAILED, WHERE_SUBSCRIPTIONS_GO)
        if operation.kind is OperationType.MUTATION and scope["method"] == "GET":
            raise _not_allowed("POST")
        if operation.authenticates and not visit.limited:
            raise Rejected(503, Code.UPSTREAM_UNAVAILABLE, LIMITS_UNKNOWN, retry_after=5)


VARY = {"Vary": "Accept, Accept-Encoding"}

LIMITS_UNKNOWN = "Signing in is not possible for a moment: try again soon."


def describe(operation: Operation) -> dict[str, Any]:
    """Return what a log line may say of an operation: never its text."""
    name = operation.name
    return {"operation": name and name[:60], "kind": operation.kind.value}


def _not_allowed(allow: str) -> Rejected:
    return Rejected(405, Code.VALIDATION_FAILED, f"Use {allow} for this.", headers={"Allow": allow})


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


def _write(answer: Answer, request_id: str) -> bytes:
    try:
        return orjson.dumps(answer.body(request_id))
    except TypeError as fault:
        # A resolver gave what JSON cannot hold: a lone surrogate, an integer beyond 64 bits.
        return orjson.dumps(Answer(None, [internal_entry(fault)]).body(request_id))


async def _refuse_body(scope: Scope, receive: Receive, send: Send, no: Rejected) -> None:
    """Answer before the body has come, then let its sender finish for a moment.

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

    await send_refusal(
        scope,
        send_and_linger,
        no.status,
        no.code,
        no.message,
        headers={"Connection": "close"},
    )
