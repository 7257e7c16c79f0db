"""GraphQL over HTTP and over graphql-transport-ws."""

# ruff: noqa: ANN401 - answers are JSON

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Origin, Subprotocol

ACCEPT = "application/graphql-response+json, application/json;q=0.9"
PROTOCOL = Subprotocol("graphql-transport-ws")
ABNORMAL = 1006

Variables = Mapping[str, Any]


class GraphQLErrors(Exception):  # noqa: N818 - there may be several
    """The answer has errors."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(json.dumps(errors))
        self.errors = errors

    @property
    def codes(self) -> list[str | None]:
        """The code of each error."""
        return [(error.get("extensions") or {}).get("code") for error in self.errors]


class SocketClosed(Exception):  # noqa: N818 - it may be what the test waits for
    """The server closed the socket, or it broke (1006)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: Any


class GraphQLApi:
    """One API at one address: `async with GraphQLApi("http://127.0.0.1:8000/graphql") as api:`."""

    def __init__(self, url: str, *, origin: str | None = None) -> None:
        """`origin` is what a browser would send; None plays a client that is no browser."""
        self._url, self._origin = url, origin
        self._http = httpx2.AsyncClient(trust_env=False, timeout=30)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def execute(
        self, document: str, variables: Variables | None = None, *, token: str | None = None
    ) -> dict[str, Any]:
        """Run a query or a mutation and return its data. Raises GraphQLErrors."""
        body = (await self.post(document, variables, token=token)).body
        if errors := body.get("errors"):
            raise GraphQLErrors(errors)
        data: dict[str, Any] = body["data"]
        return data

    async def post(
        self, document: str, variables: Variables | None = None, *, token: str | None = None
    ) -> Answer:
        """Send an operation and return the answer, whatever it is."""
        headers = {"Accept": ACCEPT}
        if self._origin:
            headers["Origin"] = self._origin
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = {"query": document, "variables": dict(variables or {})}
        response = await self._http.post(self._url, json=request, headers=headers)
        return Answer(response.status_code, response.headers, response.json())

    @asynccontextmanager
    async def subscribe(
        self,
        document: str,
        variables: Variables | None = None,
        *,
        token: str | None = None,
        within: float = 20,
    ) -> AsyncIterator["Events"]:
        """Open a socket of its own for one operation.

        No wait is longer than `within` seconds: TimeoutError. Raises SocketClosed where the server
        does not acknowledge, or nobody answers.
        """
        opening = connect(
            self._url.replace("http", "ws", 1),
            origin=Origin(self._origin) if self._origin else None,
            subprotocols=[PROTOCOL],
            compression=None,
            proxy=None,
            open_timeout=within,
            ping_interval=None,
            close_timeout=1,
        )
        try:
            socket = await opening
        except (OSError, InvalidHandshake) as error:
            raise SocketClosed(ABNORMAL, "the handshake failed") from error
        async with socket:
            events = Events(socket, within)
            reading = asyncio.create_task(events.read())
            try:
                await events.open(token)
                await events.begin(document, variables)
                yield events
            finally:
                reading.cancel()
                await asyncio.wait({reading})


class Events:
    """The data of an operation as it comes; iteration ends when the operation is complete.

    Iterating raises GraphQLErrors for errors and SocketClosed for the end of the socket. Pings are
    answered at once, also while nobody iterates.
    """

    def __init__(self, socket: ClientConnection, within: float) -> None:
        self._socket, self._within = socket, within
        self._frames: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    @property
    def close_code(self) -> int | None:
        """How the socket was closed, once it is."""
        return self._socket.close_code

    @property
    def close_reason(self) -> str | None:
        """Why the socket was closed, once it is."""
        return self._socket.close_reason

    async def open(self, token: str | None) -> None:
        """Say who we are and wait until the server agrees. Raises SocketClosed."""
        await self._send(type="connection_init", payload={"accessToken": token} if token else {})
        frame = await self._receive()
        assert frame["type"] == "connection_ack", frame

    async def begin(self, document: str, variables: Variables | None) -> None:
        """Start the operation."""
        payload = {"query": document, "variables": dict(variables or {})}
        await self._send(id="1", type="subscribe", payload=payload)

    async def stop(self) -> None:
        """Tell the server that no more is wanted; the socket stays open."""
        await self._send(id="1", type="complete")

    async def read(self) -> None:
        """Take what the server sends, until the socket ends."""
        with suppress(ConnectionClosed):
            while True:
                frame = json.loads(await self._socket.recv())
                if frame["type"] == "ping":
                    await self._socket.send(json.dumps({"type": "pong"}))
                else:
                    self._frames.put_nowait(frame)
        self._frames.put_nowait(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        frame = await self._receive()
        match frame["type"]:
            case "next" if not frame["payload"].get("errors"):
                data: dict[str, Any] = frame["payload"]["data"]
                return data
            case "next":
                raise GraphQLErrors(frame["payload"]["errors"])
            case "error":
                raise GraphQLErrors(frame["payload"])
            case "complete":
                raise StopAsyncIteration
        raise AssertionError(f"unexpected frame: {frame}")

    async def _send(self, **frame: Any) -> None:
        try:
            await self._socket.send(json.dumps(frame))
        except ConnectionClosed as error:
            raise self._closed() from error

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(self._within):
            frame = await self._frames.get()
        if frame is None:
            self._frames.put_nowait(None)  # whoever asks again gets the same answer
            raise self._closed()
        return frame

    def _closed(self) -> SocketClosed:
        code = self._socket.close_code
        return SocketClosed(ABNORMAL if code is None else code, self._socket.close_reason or "")
