"""GraphQL over WebSocket: graphql-transport-ws, as a conversation of its own.

Everything that belongs to a socket runs in one task group: whatever ends it (the client, a fault,
the clock, a deploy) ends the operations, their generators and the timers with it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import OperationType
from loguru import logger
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from api.admission import LIMITS_UNKNOWN, Admission, Admitted, too_many
from api.answers import send_refusal
from api.codes import Code
from api.graphql.errors import Refused, internal_entry, refusal_entry, refused
from api.graphql.execution import CostEntry, Engine, Operation, extensions_tail
from api.graphql.frames import (
    ACK,
    PING,
    PONG,
    SUBPROTOCOL,
    Complete,
    Init,
    Ping,
    Pong,
    SocketClosed,
    Subscribe,
    complete_frame,
    error_frame,
    next_frame,
    read_frame,
)
from api.graphql.stay import (
    CLOSE_SECONDS,
    RESTART,
    ClientGone,
    Crowded,
    FellBehind,
    Leave,
    NobodyKnows,
    Restarting,
    SignedOut,
    Stays,
    first_of,
)
from api.identity import ANONYMOUS, Authenticate, Caller, Identity, NewContext, identify, user_agent
from api.origins import FOREIGN, Origins
from api.visit import visit_of
from domain.refusals import UpstreamUnavailable
from domain.sessions import AccessClaims
from usecases.ports.live import FollowerTooSlow
from usecases.tracing import request_id

ECHO_SECONDS = 11
"""How long a client may take to answer a close; uvicorn itself waits for 10."""


class Unresponsive(SocketClosed):
    """The client does not read, or does not answer. It may reconnect."""


@dataclass(frozen=True, slots=True)
class GraphQLOverWebSocket:
    """The endpoint."""

    engine: Engine
    authenticate: Authenticate
    new_context: NewContext
    admission: Admission
    origins: Origins
    stays: Stays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        await receive()  # websocket.connect
        if self.stays.drain.begun:
            await send_refusal(scope, send, 503, Code.UPSTREAM_UNAVAILABLE, RESTART, retry_after=1)
        elif not self.origins.allows_socket(Headers(scope=scope)):
            await send_refusal(scope, send, 403, Code.FORBIDDEN, FOREIGN)
        else:
            await Socket(self, scope, receive, send).serve()


class Socket:
    """One client's conversation."""

    def __init__(
        self, endpoint: GraphQLOverWebSocket, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._endpoint = endpoint
        self._stays = endpoint.stays
        self._rules = endpoint.stays.rules
        self._scope = scope
        self._receive_message = receive
        self._send_message = send
        self._visit = visit_of(scope)
        self._identity: Identity = ANONYMOUS
        self._tasks = asyncio.TaskGroup()
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._ponged = asyncio.Event()
        self._sent = asyncio.Event()

    async def serve(self) -> None:
        """Talk until one side ends it."""
        close: SocketClosed | None = None
        try:
            async with AsyncExitStack() as stack:
                stack.enter_context(self._stays.drain.socket())
                await self._accept()
                await stack.enter_async_context(self._stays.of_address(self._visit.network))
                async with self._tasks:
                    await self._converse(stack)
        except* (SocketClosed, Leave) as closes:
            close = _closing(first_of(closes))
        except* ClientGone:
            pass
        except* Exception as faults:  # noqa: BLE001 - logged, and told as no more than that
            logger.opt(exception=faults).error("Unexpected error")
            # Not 1011, which clients hold for final.
            close = SocketClosed(1013, "Internal error: try again later")
        if close is not None:
            await self._close(close)

    async def _accept(self) -> None:
        spoken = SUBPROTOCOL in self._scope["subprotocols"]
        await self._transmit(
            {
                "type": "websocket.accept",
                "subprotocol": SUBPROTOCOL if spoken else None,
                "headers": [],
            }
        )
        if not spoken:
            raise SocketClosed(4406, f"Speak {SUBPROTOCOL}")

    async def _converse(self, stack: AsyncExitStack) -> None:
        self._tasks.create_task(self._stays.until_draining())
        init = await self._await_init()
        await self._sign_in(init, stack)
        await self._send(ACK)
        self._tasks.create_task(self._keep_alive())
        while True:
            match read_frame(await self._receive()):
                case Subscribe() as subscribe:
                    await self._start(subscribe)
                case Complete(id=identifier):
                    if operation := self._operations.pop(identifier, None):
                        operation.cancel()
                case Ping():
                    await self._send(PONG)
                case Pong():
                    self._ponged.set()
                case Init():
                    raise SocketClosed(4429, "Too many initialisation requests")

    # --- who is it ---------------------------------------------------------------------------

    async def _await_init(self) -> Init:
        try:
            async with asyncio.timeout(self._rules.init_seconds):
                while True:
                    match read_frame(await self._receive()):
                        case Init() as init:
                            return init
                        case Ping():
                            await self._send(PONG)
                        case Subscribe():
                            raise SocketClosed(4401, "Unauthorized: send connection_init first")
        except TimeoutError:
            raise SocketClosed(4408, "Connection initialisation timeout") from None

    async def _sign_in(self, init: Init, stack: AsyncExitStack) -> None:
        claims = await self._claims(init)
        if claims is None:
            return
        ended = await stack.enter_async_context(self._stays.of_account(claims))
        self._visit.account_id = claims.account_id
        self._tasks.create_task(self._stays.until_signed_out(claims, ended))

    async def _claims(self, init: Init) -> AccessClaims | None:
        self._identity = await identify(self._endpoint.authenticate, init.authorization)
        if (rejection := self._identity.rejection) is None:
            return self._identity.claims
        if isinstance(rejection, UpstreamUnavailable):
            raise NobodyKnows(refusal_entry(rejection))
        raise SignedOut(refusal_entry(rejection))

    # --- silence -----------------------------------------------------------------------------

    async def _keep_alive(self) -> None:
        rules = self._rules
        while True:
            self._sent.clear()
            await asyncio.sleep(min(rules.busy_ping_seconds, rules.ping_seconds))
            with suppress(TimeoutError):
                async with asyncio.timeout(rules.ping_seconds - rules.busy_ping_seconds):
                    await self._sent.wait()
            self._ponged.clear()
            try:
                async with asyncio.timeout(rules.pong_seconds):
                    await self._send(PING)
                    await self._ponged.wait()
            except TimeoutError:
                raise Unresponsive(4408, "No pong came") from None

    # --- operations --------------------------------------------------------------------------

    async def _start(self, subscribe: Subscribe) -> None:
        if subscribe.id in self._operations:
            raise SocketClosed(4409, f"Subscriber for {subscribe.id} already exists")
        if len(self._operations) >= self._rules.operations:
            too_many = refused(
                Code.RATE_LIMITED,
                f"A socket may run {self._rules.operations} operations: complete one first.",
            )
            await self._send(error_frame(subscribe.id, too_many.errors))
            return
        self._operations[subscribe.id] = self._tasks.create_task(self._operate(subscribe))

    async def _operate(self, subscribe: Subscribe) -> None:
        began = time.perf_counter()
        facts: dict[str, Any] = {}
        own_id = str(uuid7())
        request_id.set(own_id)  # in the context of this task alone
        try:
            async with aclosing(self._results(subscribe, own_id, facts)) as results:
                async for payload in results:
                    await self._send(next_frame(subscribe.id, payload))
            last = complete_frame(subscribe.id)
        except Refused as no:
            last = error_frame(subscribe.id, no.errors)
        except (SocketClosed, Leave, ClientGone):
            raise
        except FollowerTooSlow:
            raise FellBehind from None
        except Exception as fault:  # noqa: BLE001 - it ends the operation, not its socket
            last = error_frame(subscribe.id, [internal_entry(fault)])
        finally:
            if self._operations.get(subscribe.id) is asyncio.current_task():
                del self._operations[subscribe.id]
            ms = round((time.perf_counter() - began) * 1000, 1)
            logger.bind(**facts, ms=ms).info("Operation on a socket ended")
        await self._send(last)

    async def _results(
        self, subscribe: Subscribe, own_id: str, facts: dict[str, Any]
    ) -> AsyncGenerator[str]:
        operation, cost = await self._admitted(subscribe)
        facts |= operation.facts
        if self._visit.account_id is not None:
            facts["user_id"] = str(self._visit.account_id)
        device = user_agent(Headers(scope=self._scope))
        caller = Caller(self._visit.address, device, own_id, self._identity)

        def new_context() -> object:
            return self._endpoint.new_context(caller)

        if operation.kind is OperationType.SUBSCRIPTION:
            tail, viewer = extensions_tail(own_id, cost), self._visit.account_id
            stream = self._endpoint.engine.stream(operation, new_context, viewer)
            async with aclosing(stream) as results:
                async for encoded in results:
                    payload = encoded.text_with(tail)
                    del encoded  # and hold no text of the past: followers are many, and wait long
                    yield payload
                    del payload
        else:
            answer = await self._endpoint.engine.run(operation, new_context)
            if not answer.began:
                raise Refused(*answer.errors)
            yield orjson.dumps(answer.body(own_id, cost)).decode()

    async def _admitted(self, subscribe: Subscribe) -> tuple[Operation, CostEntry]:
        """Prepare an operation that may run now, and say what it costs. Raises Refused."""
        if self._stays.drain.begun:
            raise refused(Code.UPSTREAM_UNAVAILABLE, RESTART, retry_after=1)
        engine, admission = self._endpoint.engine, self._endpoint.admission
        _refuse_haste(knocked := await admission.knock(self._visit.network))
        operation = engine.prepare(subscribe.request)
        admitted = await admission.enter(
            self._visit.network, self._visit.account_id, operation.classes, operation.cost
        )
        if operation.authenticates and (knocked is None or admitted is None):
            raise refused(Code.UPSTREAM_UNAVAILABLE, LIMITS_UNKNOWN, retry_after=5)
        _refuse_haste(admitted)
        return operation, engine.cost_entry(operation, admitted.cost_left if admitted else None)

    # --- the wire ----------------------------------------------------------------------------

    async def _receive(self) -> str | None:
        message = await self._receive_message()
        if message["type"] == "websocket.disconnect":
            raise ClientGone
        text: str | None = message.get("text")
        if len(message.get("bytes") or (text or "").encode()) > self._rules.message_bytes:
            raise SocketClosed(1009, f"A message may have {self._rules.message_bytes} bytes")
        return text

    async def _send(self, frame: str) -> None:
        if frame != PING:
            self._sent.set()
        await self._transmit({"type": "websocket.send", "text": frame})

    async def _transmit(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._rules.send_seconds):
                await self._send_message(message)
        except TimeoutError:
            raise Unresponsive(4408, "The client does not read") from None
        except OSError:
            raise ClientGone from None

    async def _close(self, close: SocketClosed) -> None:
        loop = asyncio.get_running_loop()
        patience = CLOSE_SECONDS if isinstance(close, Unresponsive) else ECHO_SECONDS
        loop.call_later(patience, self._visit.abort)
        with suppress(OSError, RuntimeError, TimeoutError):  # it is gone already, or will be cut
            async with asyncio.timeout(patience):
                await self._send_message(
                    {"type": "websocket.close", "code": close.code, "reason": close.reason}
                )


def _closing(reason: SocketClosed | Leave) -> SocketClosed:
    """Return how a socket is closed for a reason.

    With 1013 clients come back by themselves, with 4403 with a fresh token; 4401 would be final to
    them.
    """
    match reason:
        case SocketClosed():
            return reason
        case SignedOut():
            return SocketClosed(4403, f"{reason.code}: {reason.message}")
        case Crowded():
            return SocketClosed(4429, reason.message)
        case Restarting():
            return SocketClosed(1012, reason.message)
    return SocketClosed(1013, reason.message)


def _refuse_haste(admitted: Admitted | None) -> None:
    if admitted is not None and admitted.retry_after is not None:
        raise refused(
            Code.RATE_LIMITED, too_many(admitted.retry_after), retry_after=admitted.retry_after
        )
