"""GraphQL over HTTP: one operation a request, a subscription in one long response.

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

from api.admission import Admission, too_many
from api.answers import NO_STORE, refusal_body, send_body, send_refusal
from api.codes import Code
from api.compression import compressed
from api.cookies import cookies_to_set, read_cookies
from api.graphql.errors import Refused, internal_entry, refused
from api.graphql.event_stream import EventStream
from api.graphql.execution import Answer, CostEntry, Engine, Operation, extensions_tail
from api.graphql.negotiation import (
    EVENT_STREAM,
    HTML,
    JSON,
    MULTIPART,
    RESPONSE,
    SUBSCRIPTION_SPEC,
    accepted,
    accepted_stream,
    content_type,
)
from api.graphql.requests import GraphQLRequest, read_json
from api.graphql.stay import ClientGone, Crowded, Restarting, Stays
from api.graphql.streams import WIRES, Stream, resume_from
from api.identity import Authenticate, Caller, Identity, NewContext, identify, user_agent
from api.origins import FOREIGN, Origins
from api.visit import Visit, visit_of
from domain.refusals import Refusal, UpstreamUnavailable
from schema.cookies import Cookies

PREFLIGHT_HEADERS = (
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
)
"""A page of another origin cannot send these without asking first (CORS preflight)."""

LINGER_SECONDS = 2
"""How long the rest of a refused body is thrown away, so that its sender reads the answer."""

WHERE_SUBSCRIPTIONS_GO = (
    "Subscriptions run at this same path over a WebSocket, with the sub-protocol "
    f"graphql-transport-ws, or over HTTP where you accept {EVENT_STREAM} or {MULTIPART} with "
    f'subscriptionSpec="{SUBSCRIPTION_SPEC}".'
)


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


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a client takes: answers that are `whole`, a `stream` of results, or both."""

    whole: str | None
    stream: str | None

    @property
    def answers(self) -> str:
        """The type of an operation's only answer, which may be the only one of a stream."""
        return self.whole or (EVENT_STREAM if self.stream == EVENT_STREAM else JSON)

    @property
    def refusals(self) -> str:
        """The type of an answer that is none of an operation's."""
        return self.whole or JSON


@dataclass(frozen=True, slots=True)
class GraphQLOverHTTP:
    """The endpoint. `page` is served to browsers that ask for HTML, where there is one."""

    engine: Engine
    authenticate: Authenticate
    new_context: NewContext
    admission: Admission
    origins: Origins
    stays: Stays
    max_body_bytes: int = 100_000
    page: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope)
        accepts = Accepts(JSON, None)
        try:
            if scope["method"] not in {"GET", "POST"}:
                raise _not_allowed("GET, POST")
            accepts = self._negotiate(scope, headers)
            if accepts.whole == HTML and self.page:
                await self.page(scope, receive, send)
                return
            request = await self._read(scope, headers, receive)
            await self._serve(scope, headers, request, accepts, receive, send)
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
                media_type=accepts.refusals,
            )
        except ClientGone:
            return

    def _negotiate(self, scope: Scope, headers: Headers) -> Accepts:
        offers = [JSON, RESPONSE]
        if self.page and scope["method"] == "GET":
            offers.append(HTML)
        accept = ",".join(headers.getlist("accept"))
        accepts = Accepts(accepted(accept, offers), accepted_stream(accept))
        if accepts.whole is None and accepts.stream is None:
            raise Rejected(
                406,
                Code.VALIDATION_FAILED,
                f"Answers come as {RESPONSE} or as {JSON}, streams of them as {EVENT_STREAM}.",
            )
        return accepts

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

    async def _serve(
        self,
        scope: Scope,
        headers: Headers,
        request: GraphQLRequest,
        accepts: Accepts,
        receive: Receive,
        send: Send,
    ) -> None:
        visit, cookies = visit_of(scope), read_cookies(headers, self.origins)
        status, media_type = 200, accepts.answers
        try:
            operation = self.engine.prepare(request)
            _check_kind(scope, visit, operation, accepts)
            identity = await identify(self.authenticate, headers.get("authorization"))
            visit.account_id = identity.claims.account_id if identity.claims else None
            if accepts.stream and operation.kind is OperationType.SUBSCRIPTION:
                kind = accepts.stream
                await self._stream(scope, headers, receive, send, identity, operation, kind)
                return
            cost = await self._admit(visit, operation)
            answer = await self._run(visit, headers, identity, operation, cookies)
            began, body = answer.began, _write(answer, visit.request_id, cost)
            secret = operation.authenticates
        except Refused as no:
            began, body, secret = False, refusal_body(scope, no.errors), False
        if media_type == RESPONSE and not began:
            status = 400
        if media_type == EVENT_STREAM:
            body, secret = EventStream().whole(body), True  # and so it is not compressed
        coding, body = (None, body) if secret else await compressed(body, headers)
        told = NO_STORE if coding is None else NO_STORE | {"Content-Encoding": coding}
        await send_body(
            send,
            status,
            body,
            media_type,
            {**told, **VARY},
            to=scope,
            cookies=cookies_to_set(cookies),
        )

    async def _run(
        self,
        visit: Visit,
        headers: Headers,
        identity: Identity,
        operation: Operation,
        cookies: Cookies,
    ) -> Answer:
        caller = Caller(visit.address, user_agent(headers), visit.request_id, identity, cookies)
        return await self.engine.run(operation, lambda: self.new_context(caller))

    async def _stream(
        self,
        scope: Scope,
        headers: Headers,
        receive: Receive,
        send: Send,
        identity: Identity,
        operation: Operation,
        media_type: str,
    ) -> None:
        """Serve a subscription for as long as it lasts. Raises Rejected before it begins."""
        visit = visit_of(scope)
        if not self.origins.allows_socket(headers):
            raise Rejected(403, Code.FORBIDDEN, FOREIGN)
        if identity.rejection is not None:
            raise _unauthorized(identity.rejection)
        tail = extensions_tail(visit.request_id, await self._admit(visit, operation))
        caller = Caller(
            visit.address,
            user_agent(headers),
            visit.request_id,
            identity,
            resume_from=resume_from(headers, media_type),
        )
        results = self.engine.stream(operation, lambda: self.new_context(caller), visit.account_id)
        stream = Stream(self.stays, WIRES[media_type], tail, scope, receive, send)
        try:
            await stream.serve(results, identity.claims)
        except (Crowded, Restarting) as leave:
            status = 429 if isinstance(leave, Crowded) else 503
            raise Rejected(status, leave.code, leave.message, retry_after=1) from None

    async def _admit(self, visit: Visit, operation: Operation) -> CostEntry:
        """Take what the operation needs, and return what it costs. Raises Rejected."""
        admitted = await self.admission.enter(
            visit.network, visit.account_id, operation.classes, operation.cost
        )
        if operation.authenticates and (admitted is None or visit.admitted is None):
            raise Rejected(503, Code.UPSTREAM_UNAVAILABLE, LIMITS_UNKNOWN, retry_after=5)
        visit.cost = cost = self.engine.cost_entry(
            operation, admitted.cost_left if admitted else None
        )
        if admitted is None:
            return cost
        visit.admitted = admitted.with_earlier(visit.admitted)
        if admitted.retry_after is not None:
            raise Rejected(
                429,
                Code.RATE_LIMITED,
                too_many(admitted.retry_after),
                retry_after=admitted.retry_after,
            )
        return cost


def _check_kind(scope: Scope, visit: Visit, operation: Operation, accepts: Accepts) -> None:
    visit.facts |= describe(operation)
    if operation.kind is OperationType.SUBSCRIPTION and accepts.stream is None:
        raise refused(Code.VALIDATION_FAILED, WHERE_SUBSCRIPTIONS_GO)
    if operation.kind is OperationType.MUTATION and scope["method"] == "GET":
        raise _not_allowed("POST")


VARY = {"Vary": "Accept, Accept-Encoding"}

LIMITS_UNKNOWN = "Signing in is not possible for a moment: try again soon."


def describe(operation: Operation) -> dict[str, Any]:
    """Return what a log line may say of an operation: never its text."""
    name = operation.name
    return {"operation": name and name[:60], "kind": operation.kind.value}


def _unauthorized(rejection: Refusal) -> Rejected:
    if isinstance(rejection, UpstreamUnavailable):
        return Rejected(503, rejection.code, rejection.message, retry_after=1)
    told = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Rejected(401, rejection.code, rejection.message, headers=told)


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


def _write(answer: Answer, request_id: str, cost: CostEntry) -> bytes:
    try:
        return orjson.dumps(answer.body(request_id, cost))
    except TypeError as fault:
        # A resolver gave what JSON cannot hold: a lone surrogate, an integer beyond 64 bits.
        return orjson.dumps(Answer(None, [internal_entry(fault)]).body(request_id, cost))


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
