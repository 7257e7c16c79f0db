"""GraphQL over HTTP: one operation a request, a subscription in one long response.

Follows the GraphQL-over-HTTP draft as its audits have it: under `application/json` every
well-formed request is answered with 200, under `application/graphql-response+json` with 400 until
execution began.
"""

from dataclasses import dataclass, replace
from functools import partial

import orjson
from graphql import OperationType
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.admission import LIMITS_UNKNOWN, Admission, too_many
from api.answers import NO_STORE, refusal_body, send_body, send_refusal
from api.codes import Code
from api.compression import compressed
from api.cookies import cookies_to_set, read_cookies
from api.graphql.errors import Refused, internal_entry, refused
from api.graphql.event_stream import EventStream
from api.graphql.execution import Answer, CostEntry, Engine, Operation, extensions_tail
from api.graphql.http_requests import Rejected, TooLarge, lingering, not_allowed, read_request
from api.graphql.negotiation import (
    EVENT_STREAM,
    HTML,
    JSON,
    MULTIPART,
    RESPONSE,
    SUBSCRIPTION_SPEC,
    accepted,
    accepted_stream,
)
from api.graphql.requests import GraphQLRequest
from api.graphql.stay import ClientGone, Crowded, Restarting, Stays
from api.graphql.streams import WIRES, Stream, resume_from
from api.identity import Authenticate, Caller, Identity, NewContext, identify, user_agent
from api.origins import FOREIGN, Origins
from api.visit import visit_of
from domain.refusals import Refusal, UpstreamUnavailable

WHERE_SUBSCRIPTIONS_GO = (
    "Subscriptions run at this same path over a WebSocket, with the sub-protocol "
    f"graphql-transport-ws, or over HTTP where you accept {EVENT_STREAM} or {MULTIPART} with "
    f'subscriptionSpec="{SUBSCRIPTION_SPEC}".'
)

VARY = {"Vary": "Accept, Accept-Encoding"}


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
        await Exchange(self, scope, receive, send).serve()


class Exchange:
    """One request and its answer."""

    def __init__(
        self, endpoint: GraphQLOverHTTP, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._endpoint = endpoint
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers = Headers(scope=scope)
        self._visit = visit_of(scope)
        self._cookies = read_cookies(self._headers, endpoint.origins)
        self._accepts = Accepts(JSON, None)

    async def serve(self) -> None:
        """Read the request and answer it, with whatever it deserves."""
        page, most = self._endpoint.page, self._endpoint.max_body_bytes
        try:
            if self._scope["method"] not in {"GET", "POST"}:
                raise not_allowed("GET, POST")
            self._accepts = self._negotiate()
            if self._accepts.whole == HTML and page:
                await page(self._scope, self._receive, self._send)
                return
            await self._answer(await read_request(self._scope, self._headers, self._receive, most))
        except Rejected as no:
            await self._refuse(no)
        except ClientGone:
            return

    def _negotiate(self) -> Accepts:
        offers = [JSON, RESPONSE]
        if self._endpoint.page and self._scope["method"] == "GET":
            offers.append(HTML)
        accept = ",".join(self._headers.getlist("accept"))
        accepts = Accepts(accepted(accept, offers), accepted_stream(accept))
        if accepts.whole is None and accepts.stream is None:
            raise Rejected(
                406,
                Code.VALIDATION_FAILED,
                f"Answers come as {RESPONSE} or as {JSON}, streams of them as {EVENT_STREAM}.",
            )
        return accepts

    async def _answer(self, request: GraphQLRequest) -> None:
        engine, secret = self._endpoint.engine, False
        try:
            operation = engine.prepare(request)
            self._check_kind(operation)
            identity = await identify(
                self._endpoint.authenticate, self._headers.get("authorization")
            )
            self._visit.account_id = identity.claims.account_id if identity.claims else None
            if (stream := self._accepts.stream) and operation.kind is OperationType.SUBSCRIPTION:
                await self._stream(operation, identity, stream)
                return
            cost = await self._admit(operation)
            caller = replace(self._caller(identity), cookies=self._cookies)
            answer = await engine.run(operation, partial(self._endpoint.new_context, caller))
            began, body = answer.began, _write(answer, self._visit.request_id, cost)
            secret = operation.authenticates
        except Refused as no:
            began, body = False, refusal_body(self._scope, no.errors)
        await self._send_answer(body, began=began, secret=secret)

    def _check_kind(self, operation: Operation) -> None:
        self._visit.facts |= operation.facts
        if operation.kind is OperationType.SUBSCRIPTION and self._accepts.stream is None:
            raise refused(Code.VALIDATION_FAILED, WHERE_SUBSCRIPTIONS_GO)
        if operation.kind is OperationType.MUTATION and self._scope["method"] == "GET":
            raise not_allowed("POST")

    def _caller(self, identity: Identity) -> Caller:
        visit = self._visit
        return Caller(visit.address, user_agent(self._headers), visit.request_id, identity)

    async def _admit(self, operation: Operation) -> CostEntry:
        """Take what the operation needs, and return what it costs. Raises Rejected."""
        visit = self._visit
        admitted = await self._endpoint.admission.enter(
            visit.network, visit.account_id, operation.classes, operation.cost
        )
        if operation.authenticates and (admitted is None or visit.admitted is None):
            raise Rejected(503, Code.UPSTREAM_UNAVAILABLE, LIMITS_UNKNOWN, retry_after=5)
        visit.cost = cost = self._endpoint.engine.cost_entry(
            operation, admitted.cost_left if admitted else None
        )
        if admitted is None:
            return cost
        visit.admitted = admitted.with_earlier(visit.admitted)
        if (wait := admitted.retry_after) is not None:
            raise Rejected(429, Code.RATE_LIMITED, too_many(wait), retry_after=wait)
        return cost

    async def _stream(self, operation: Operation, identity: Identity, media_type: str) -> None:
        """Serve a subscription for as long as it lasts. Raises Rejected before it begins."""
        endpoint, visit = self._endpoint, self._visit
        if not endpoint.origins.allows_socket(self._headers):
            raise Rejected(403, Code.FORBIDDEN, FOREIGN)
        if identity.rejection is not None:
            raise _unauthorized(identity.rejection)
        tail = extensions_tail(visit.request_id, await self._admit(operation))
        resumed = resume_from(self._headers, media_type)
        caller = replace(self._caller(identity), resume_from=resumed)
        results = endpoint.engine.stream(
            operation, partial(endpoint.new_context, caller), visit.account_id
        )
        stream = Stream(
            endpoint.stays, WIRES[media_type], tail, self._scope, self._receive, self._send
        )
        try:
            await stream.serve(results, identity.claims)
        except (Crowded, Restarting) as leave:
            status = 429 if isinstance(leave, Crowded) else 503
            raise Rejected(status, leave.code, leave.message, retry_after=1) from None

    # --- the wire ----------------------------------------------------------------------------

    async def _send_answer(self, body: bytes, *, began: bool, secret: bool) -> None:
        media_type, coding = self._accepts.answers, None
        if media_type == EVENT_STREAM:
            body = EventStream().whole(body)
        elif not secret:
            coding, body = await compressed(body, self._headers)
        await send_body(
            self._send,
            400 if media_type == RESPONSE and not began else 200,
            body,
            media_type,
            NO_STORE | VARY | ({} if coding is None else {"Content-Encoding": coding}),
            to=self._scope,
            cookies=cookies_to_set(self._cookies),
        )

    async def _refuse(self, no: Rejected) -> None:
        send = self._send
        if isinstance(no, TooLarge):
            send = lingering(self._receive, send)
        await send_refusal(
            self._scope,
            send,
            no.status,
            no.code,
            no.message,
            retry_after=no.retry_after,
            headers=no.headers,
            media_type=self._accepts.refusals,
        )


def _unauthorized(rejection: Refusal) -> Rejected:
    if isinstance(rejection, UpstreamUnavailable):
        return Rejected(503, rejection.code, rejection.message, retry_after=1)
    told = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Rejected(401, rejection.code, rejection.message, headers=told)


def _write(answer: Answer, request_id: str, cost: CostEntry) -> bytes:
    try:
        return orjson.dumps(answer.body(request_id, cost))
    except TypeError as fault:
        # A resolver gave what JSON cannot hold: a lone surrogate, an integer beyond 64 bits.
        return orjson.dumps(Answer(None, [internal_entry(fault)]).body(request_id, cost))
