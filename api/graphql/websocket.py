"""GraphQL over WebSocket: graphql-transport-ws, as a conversation of its own.

Everything that belongs to a socket runs in one task group: whatever ends it (the client, a fault,
the clock, a deploy) ends the operations, their generators and the timers with it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, MutableMapping
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphql import OperationType
from loguru import logger
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from api.admission import Admission
from api.answers import send_refusal
from api.codes import Code
from api.drain import Drain
from api.graphql.errors import Refused, internal_entry, refused
from api.graphql.execution import Engine, Operation
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
from api.graphql.http import LIMITS_UNKNOWN, ClientGone, describe
from api.identity import ANONYMOUS, Authenticate, Caller, Identity, NewContext, identify, user_agent
from api.origins import Origins
from api.visit import visit_of
from domain.refusals import Refusal, TokenExpired
from domain.sessions import AccessClaims
from usecases.ports import Clock, FollowerTooSlow, SessionEnds
from usecases.tracing import request_id

CLOSE_SECONDS = 1
"""How long a close may take where the client does not seem to read."""

TOO_SLOW = "You read too slowly: come back with your newest cursor"
"""Told with 1013, after which clients come back by themselves."""

ECHO_SECONDS = 11
"""How long a client may take to answer a close; uvicorn itself waits for 10."""


@dataclass(frozen=True, slots=True)
class SocketRules:
    """Ceilings and intervals (seconds) of a socket.

    A ping goes out every `ping_seconds`, and within `busy_ping_seconds` of anything that is sent:
    so a client that takes nothing any more is cut off within 15 seconds.
    """

    operations: int = 10
    per_address: int = 50
    per_account: int = 5
    message_bytes: int = 65_536
    init_seconds: float = 5
    ping_seconds: float = 20
    busy_ping_seconds: float = 5
    pong_seconds: float = 8
    send_seconds: float = 15


class Unresponsive(SocketClosed):
    """The client does not read, or does not answer. It may reconnect."""


@dataclass(slots=True)
class Occupancy:
    """How many sockets each address and each account has in this process."""

    addresses: Counter[str] = field(default_factory=Counter)
    accounts: Counter[UUID] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class GraphQLOverWebSocket:
    """The endpoint."""

    engine: Engine
    authenticate: Authenticate
    new_context: NewContext
    session_ends: SessionEnds
    clock: Clock
    admission: Admission
    origins: Origins
    drain: Drain
    rules: SocketRules = SocketRules()
    occupancy: Occupancy = field(default_factory=Occupancy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        await receive()  # websocket.connect
        if self.drain.begun:
            await send_refusal(
                scope, send, 503, Code.UPSTREAM_UNAVAILABLE, RESTARTING, retry_after=1
            )
        elif not self.origins.allows_socket(Headers(scope=scope)):
            await send_refusal(
                scope, send, 403, Code.FORBIDDEN, "This origin is not one of ALLOWED_ORIGINS."
            )
        else:
            await Socket(self, scope, receive, send).serve()


RESTARTING = "This server restarts: connect again."


class Socket:
    """One client's conversation."""

    def __init__(
        self, endpoint: GraphQLOverWebSocket, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._endpoint = endpoint
        self._rules = endpoint.rules
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
                stack.enter_context(self._endpoint.drain.socket())
                await self._accept()
                stack.enter_context(
                    _occupying(
                        self._endpoint.occupancy.addresses,
                        self._visit.network,
                        self._rules.per_address,
                    )
                )
                async with self._tasks:
                    await self._converse(stack)
        except* SocketClosed as closes:
            close = _first(closes)
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
        self._tasks.create_task(self._go_when_draining())
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
        occupancy = self._endpoint.occupancy.accounts
        stack.enter_context(_occupying(occupancy, claims.account_id, self._rules.per_account))
        ended = await stack.enter_async_context(
            self._endpoint.session_ends.ended(claims.session_id)
        )
        self._visit.account_id = claims.account_id
        self._tasks.create_task(self._go_with_session(claims, ended))

    async def _claims(self, init: Init) -> AccessClaims | None:
        self._identity = await identify(self._endpoint.authenticate, init.authorization)
        if self._identity.rejection is not None:
            raise _forbidden(self._identity.rejection)
        return self._identity.claims

    # --- what ends it ------------------------------------------------------------------------

    async def _go_with_session(self, claims: AccessClaims, ended: asyncio.Event) -> None:
        left = (claims.expires_at - self._endpoint.clock.now()).total_seconds()
        try:
            async with asyncio.timeout(left):
                await ended.wait()
        except TimeoutError:
            raise _forbidden(TokenExpired()) from None
        raise SocketClosed(4403, "SESSION_ENDED: The session has ended: log in again.")

    async def _go_when_draining(self) -> None:
        await self._endpoint.drain.turn()
        raise SocketClosed(1012, RESTARTING)

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
                async for body in results:
                    await self._send(next_frame(subscribe.id, body))
            last = complete_frame(subscribe.id)
        except Refused as no:
            last = error_frame(subscribe.id, no.errors)
        except (SocketClosed, ClientGone):
            raise
        except FollowerTooSlow:
            raise SocketClosed(1013, TOO_SLOW) from None
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
    ) -> AsyncGenerator[dict[str, Any]]:
        operation = await self._admitted(subscribe)
        facts |= describe(operation)
        if self._visit.account_id is not None:
            facts["user_id"] = str(self._visit.account_id)
        device = user_agent(Headers(scope=self._scope))
        caller = Caller(self._visit.address, device, own_id, self._identity)

        def new_context() -> object:
            return self._endpoint.new_context(caller)

        if operation.kind is OperationType.SUBSCRIPTION:
            async with aclosing(self._endpoint.engine.stream(operation, new_context)) as answers:
                async for answer in answers:
                    yield answer.body(own_id)
        else:
            answer = await self._endpoint.engine.run(operation, new_context)
            if not answer.began:
                raise Refused(*answer.errors)
            yield answer.body(own_id)

    async def _admitted(self, subscribe: Subscribe) -> Operation:
        """Prepare an operation that may run now. Raises Refused."""
        if self._endpoint.drain.begun:
            raise refused(Code.UPSTREAM_UNAVAILABLE, RESTARTING, retry_after=1)
        allowance = await self._endpoint.admission.ask(self._visit.network)
        if allowance is not None and allowance.retry_after is not None:
            raise refused(
                Code.RATE_LIMITED,
                f"Too many requests: try again in {allowance.retry_after} seconds.",
                retry_after=allowance.retry_after,
            )
        operation = self._endpoint.engine.prepare(subscribe.request)
        if operation.authenticates and allowance is None:
            raise refused(Code.UPSTREAM_UNAVAILABLE, LIMITS_UNKNOWN, retry_after=5)
        return operation

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


def _forbidden(rejection: Refusal) -> SocketClosed:
    """Close with 4403, which clients retry with a fresh token; 4401 would be final to them."""
    return SocketClosed(4403, f"{rejection.code}: {rejection.message}")


@contextmanager
def _occupying(counts: MutableMapping[Any, int], who: object, most: int) -> Iterator[None]:
    if counts[who] >= most:
        raise SocketClosed(4429, f"Too many sockets: at most {most}")
    counts[who] += 1
    try:
        yield
    finally:
        counts[who] -= 1
        if not counts[who]:
            del counts[who]


def _first(closes: BaseExceptionGroup[SocketClosed]) -> SocketClosed:
    """Return the first of several reasons to close."""
    first = closes.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
