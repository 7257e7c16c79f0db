"""Operations over one long HTTP response: for clients that subscribe without a WebSocket.

Everything that belongs to a stream runs in one task group, as with a socket: whatever ends it (the
client, a fault, the clock, a deploy) ends the operation, its generator and the timers with it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from typing import Any, Never

from loguru import logger
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from api.codes import Code
from api.graphql.errors import Refused, entry
from api.graphql.event_stream import EventStream
from api.graphql.multipart import Multipart
from api.graphql.negotiation import EVENT_STREAM, MULTIPART
from api.graphql.sharing import Encoded
from api.graphql.stay import (
    CLOSE_SECONDS,
    ClientGone,
    FellBehind,
    Leave,
    Restarting,
    Stays,
    first_of,
)
from api.graphql.wire import Wire
from api.visit import visit_of
from domain.sessions import AccessClaims
from usecases.ports.live import FollowerTooSlow

WIRES: dict[str, Wire] = {EVENT_STREAM: EventStream(), MULTIPART: Multipart()}

LONGEST_POSITION = 128
"""Characters: more than any place of ours has."""

HEADERS = {
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Vary": "Accept",
}
"""What keeps caches and proxies from holding back what comes piece by piece."""


def resume_from(headers: Headers, media_type: str) -> str | None:
    """Return the id that a client of an event stream saw last, by which it goes on there."""
    last = headers.get("last-event-id", "").strip()
    return last[:LONGEST_POSITION] if media_type == EVENT_STREAM and last else None


Watch = Callable[[], Coroutine[Any, Any, Never]]
"""Waits for one of the ends that a stream can come to, and raises it."""


class Fault(Leave):
    """Something of ours went wrong; what it was is in the log."""

    def __init__(self) -> None:
        super().__init__(entry(Code.INTERNAL, "Internal error: try again later"))


class Stream:
    """One client's stream; `tail` is the last entry of each of its results."""

    def __init__(
        self, stays: Stays, wire: Wire, tail: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._stays = stays
        self._wire = wire
        self._tail = tail
        self._visit = visit_of(scope)
        self._receive = receive
        self._send_message = send
        self._sent = asyncio.Event()

    async def serve(self, results: AsyncGenerator[Encoded], claims: AccessClaims | None) -> None:
        """Send the results until they, the client or we come to an end.

        Raises Crowded and Restarting, and then nothing was sent.
        """
        if self._stays.drain.begun:
            raise Restarting
        async with AsyncExitStack() as stack:
            stack.enter_context(self._stays.drain.socket())
            self._visit.abort_when_ignored(self._stays.rules.send_seconds)
            await stack.enter_async_context(self._stays.of_address(self._visit.network))
            watches: list[Watch] = [
                self._stays.until_draining,
                self._until_gone,
                self._keep_alive,
            ]
            if claims is not None:
                ended = await stack.enter_async_context(self._stays.of_account(claims))
                watches.append(partial(self._stays.until_signed_out, claims, ended))
            await self._talk(results, watches)

    async def _talk(self, results: AsyncGenerator[Encoded], watches: list[Watch]) -> None:
        last: bytes | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = [tasks.create_task(watch()) for watch in watches]
                await self._begin()
                last = await self._relay(results)
                for each in watching:
                    each.cancel()
        except* Leave as leaves:
            last = self._wire.left(first_of(leaves), self._tail)
        except* ClientGone:
            pass
        except* Exception as faults:  # noqa: BLE001 - logged, and told as no more than that
            logger.opt(exception=faults).error("Unexpected error")
            last = self._wire.left(Fault(), self._tail)
        if last is not None:
            await self._end(last)

    async def _relay(self, results: AsyncGenerator[Encoded]) -> bytes:
        """Send each result as it comes; return what is to be said last."""
        try:
            async with aclosing(results):
                async for encoded in results:
                    payload, position = encoded.bytes_with(self._tail), encoded.position
                    del encoded  # and hold no text of the past: followers are many, and wait long
                    await self._send(self._wire.result(payload, position))
                    del payload
        except Refused as no:
            return self._wire.refused(no.errors, self._tail)
        except FollowerTooSlow:
            raise FellBehind from None
        return self._wire.completed()

    # --- what ends it ------------------------------------------------------------------------

    async def _until_gone(self) -> Never:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise ClientGone

    async def _keep_alive(self) -> Never:
        while True:
            self._sent.clear()
            try:
                async with asyncio.timeout(self._stays.rules.keep_alive_seconds):
                    await self._sent.wait()
            except TimeoutError:
                await self._send(self._wire.keep_alive)

    # --- the wire ----------------------------------------------------------------------------

    async def _begin(self) -> None:
        headers = {"Content-Type": self._wire.content_type, **HEADERS}
        await self._transmit(
            {"type": "http.response.start", "status": 200, "headers": Headers(headers).raw}
        )
        await self._send(self._wire.opening)

    async def _send(self, piece: bytes) -> None:
        self._sent.set()
        await self._transmit({"type": "http.response.body", "body": piece, "more_body": True})

    async def _transmit(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._stays.rules.send_seconds):
                await self._send_message(message)
        except TimeoutError:
            await self._cut()
            raise ClientGone from None
        except OSError:
            raise ClientGone from None

    async def _end(self, piece: bytes) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send_message({"type": "http.response.body", "body": piece})
        except TimeoutError:
            await self._cut()
        except OSError:  # it is gone already
            pass

    async def _cut(self) -> None:
        """Cut the connection, and wait until the server has noticed."""
        self._visit.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
