"""A local server that speaks Gemini's wire protocol, and misbehaves as scripted.

    async with GeminiServer() as server:
        server.script(refuse(429, retry_after=1), cut_after("Once upon"))
        storyteller = GeminiStoryteller("key", "gemini-test", base_url=server.url)

Each request takes the next behaviour of the script; without one it gets a sensible plan or
chapter, so that whole stories can be written against the server.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

PROMPT_TOKENS: Final = 120
"""Input tokens that the server counts for each request."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the server saw it. `number` counts from 1."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def is_plan(self) -> bool:
        """Whether an outline was asked for."""
        return "responseJsonSchema" in self.body.get("generationConfig", {})

    @property
    def chapters(self) -> int:
        """How many chapters the asked outline must have."""
        schema = self.body["generationConfig"]["responseJsonSchema"]
        return int(schema["properties"]["chapters"]["minItems"])

    @property
    def prompt(self) -> str:
        """The text of the request, without the system instruction."""
        return "".join(
            part["text"] for content in self.body["contents"] for part in content["parts"]
        )


class Wire:
    """One connection, on which a behaviour answers."""

    def __init__(self, writer: asyncio.StreamWriter, pause: float) -> None:
        self._writer = writer
        self.pause = pause
        """Seconds between two chunks of a story."""

    async def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def open_stream(self) -> None:
        """Begin a stream of server-sent events."""
        await self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )

    async def event(self, message: dict[str, Any]) -> None:
        """Send one GenerateContentResponse."""
        await self.raw_chunk(f"data: {json.dumps(message)}\r\n\r\n".encode())

    async def raw_chunk(self, data: bytes) -> None:
        """Send bytes as one chunk of the stream."""
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def close_stream(self) -> None:
        """End the stream cleanly."""
        await self.send(b"0\r\n\r\n")

    def abort(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()


Behaviour = Callable[[Call, Wire], Awaitable[None]]


class GeminiServer:
    """The server, on a free port of the loopback. `pause` slows its unscripted stories down.

    `unscripted` is what a request meets when nothing is scripted; without it a story is told.
    """

    def __init__(self, *, pause: float = 0, unscripted: Behaviour | None = None) -> None:
        self.pause = pause
        self.unscripted = unscripted or tell_story
        self.calls: list[Call] = []
        """Every request, in the order of arrival."""
        self.hang_ups = 0
        """How many clients left before their answer was complete."""
        self._script: deque[Behaviour] = deque()
        self._hung_up = asyncio.Condition()
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        if self._conversations:
            await asyncio.wait(self._conversations)

    @property
    def url(self) -> str:
        """The base URL, as the SDK and GEMINI_BASE_URL take it."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def script(self, *behaviours: Behaviour) -> None:
        """Queue behaviours, one for each coming request."""
        self._script.extend(behaviours)

    async def arrived(self, calls: int) -> None:
        """Wait until so many requests came in."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) >= calls)

    async def hung_up(self, clients: int = 1) -> None:
        """Wait until so many clients have left before their answer was complete."""
        async with self._hung_up:
            await self._hung_up.wait_for(lambda: self.hang_ups >= clients)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            # A reset by the client, or the end of the test, ends the conversation and no more.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._converse(reader, writer)
        finally:
            self._conversations.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = await self._request(reader)
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()
        behave = self._script.popleft() if self._script else self.unscripted
        # Every answer says `Connection: close`, so whatever can still be read is the client's end.
        departure = asyncio.ensure_future(reader.read(1))
        answer = asyncio.ensure_future(behave(call, Wire(writer, self.pause)))
        try:
            await asyncio.wait({departure, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() or isinstance(answer.exception(), ConnectionError):
                async with self._hung_up:
                    self.hang_ups += 1
                    self._hung_up.notify_all()
        finally:
            departure.cancel()
            answer.cancel()
            await asyncio.gather(departure, answer, return_exceptions=True)

    async def _request(self, reader: asyncio.StreamReader) -> Call:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request_line, *lines = head.rstrip().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Call(len(self.calls) + 1, request_line.split()[1], headers, json.loads(body))


# --- what a request can meet ----------------------------------------------------------------------


async def tell_story(call: Call, wire: Wire) -> None:
    """Answer sensibly: an outline where one was asked for, else a chapter in several pieces."""
    if call.is_plan:
        await answer(json.dumps(outline(call.chapters)))(call, wire)
    else:
        await answer(*chapter(call.number), pause=wire.pause)(call, wire)


def outline(chapters: int) -> dict[str, Any]:
    """Return the outline of an unscripted story."""
    return {
        "title": "The Fox and the Lantern",
        "chapters": [
            {"title": f"Evening {number}", "summary": f"The fox carries the light, part {number}."}
            for number in range(1, chapters + 1)
        ],
    }


def chapter(number: int) -> list[str]:
    """Return the pieces of an unscripted chapter; each number has its own words."""
    return [
        f"On evening {number} the fox ",
        "took the lantern down from its hook. The wick was short, ",
        "but it burned.\n\n“Is it far?” asked the owl.\n\n",
        "“Only as far as the next star,” said the fox, and they went on together. ",
        "Nobody who saw the small light that night forgot it.",
    ]


def answer(*pieces: str, finish: str | None = "STOP", pause: float = 0) -> Behaviour:
    """Stream these pieces of text; without `finish` the stream ends cleanly, but unfinished."""

    async def behave(_: Call, wire: Wire) -> None:
        await wire.open_stream()
        await _pieces(wire, pieces, pause)
        if finish is not None:
            await wire.event(_response("", finish=finish, usage=_usage(pieces)))
        await wire.close_stream()

    return behave


def refuse(
    status: int,
    *,
    retry_after: str | float | None = None,
    word: str = "",
    details: list[dict[str, Any]] | None = None,
) -> Behaviour:
    """Answer with an error status, as google.rpc.Status."""

    async def behave(_: Call, wire: Wire) -> None:
        phrase = HTTPStatus(status).phrase
        error = {
            "code": status,
            "message": phrase,
            "status": word or phrase.upper().replace(" ", "_"),
            "details": details or [],
        }
        body = json.dumps({"error": error}).encode()
        head = [
            f"HTTP/1.1 {status} {phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        if retry_after is not None:
            head.append(f"Retry-After: {retry_after}")
        await wire.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    return behave


def refuse_after(status: int, *pieces: str) -> Behaviour:
    """Stream these pieces, then an error in the middle of the stream."""

    async def behave(_: Call, wire: Wire) -> None:
        await wire.open_stream()
        await _pieces(wire, pieces)
        word = HTTPStatus(status).phrase.upper().replace(" ", "_")
        await wire.event({"error": {"code": status, "message": word, "status": word}})
        await wire.close_stream()

    return behave


async def hang(_: Call, __: Wire) -> None:
    """Take the request and never answer."""
    await asyncio.Event().wait()


def hang_after(*pieces: str) -> Behaviour:
    """Stream these pieces, then fall silent with the connection open."""

    async def behave(_: Call, wire: Wire) -> None:
        await wire.open_stream()
        await _pieces(wire, pieces)
        await asyncio.Event().wait()

    return behave


def cut_after(*pieces: str) -> Behaviour:
    """Stream these pieces, then cut the connection."""

    async def behave(_: Call, wire: Wire) -> None:
        await wire.open_stream()
        await _pieces(wire, pieces)
        # What was written must leave before the reset, which throws unsent bytes away.
        await asyncio.sleep(0.02)
        wire.abort()

    return behave


def block_prompt(reason: str = "SAFETY") -> Behaviour:
    """Refuse the prompt for its content."""

    async def behave(_: Call, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(
            {
                "promptFeedback": {"blockReason": reason},
                "usageMetadata": {"promptTokenCount": PROMPT_TOKENS},
            }
        )
        await wire.close_stream()

    return behave


def events(*messages: dict[str, Any], then_hang: bool = False) -> Behaviour:
    """Stream these messages as they are."""

    async def behave(_: Call, wire: Wire) -> None:
        await wire.open_stream()
        for message in messages:
            await wire.event(message)
        if then_hang:
            await asyncio.Event().wait()
        await wire.close_stream()

    return behave


def rubbish(data: bytes, *, then_hang: bool = False) -> Behaviour:
    """Stream bytes that are no answer."""

    async def behave(_: Call, wire: Wire) -> None:
        await wire.open_stream()
        await wire.raw_chunk(data)
        if then_hang:
            await asyncio.Event().wait()
        await wire.close_stream()

    return behave


def tokens_of(pieces: Iterable[str]) -> int:
    """Return the output tokens that the server counts for these pieces: their words."""
    return len("".join(pieces).split())


async def _pieces(wire: Wire, pieces: Iterable[str], pause: float = 0) -> None:
    for piece in pieces:
        await wire.event(_response(piece))
        await asyncio.sleep(pause)


def _response(
    text: str, *, finish: str | None = None, usage: dict[str, int] | None = None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": [{"text": text}]},
        "index": 0,
    }
    message: dict[str, Any] = {"candidates": [candidate]}
    if finish is not None:
        candidate["finishReason"] = finish
    if usage is not None:
        message["usageMetadata"] = usage
    return message


def _usage(pieces: Iterable[str]) -> dict[str, int]:
    output = tokens_of(pieces)
    return {
        "promptTokenCount": PROMPT_TOKENS,
        "candidatesTokenCount": output,
        "totalTokenCount": PROMPT_TOKENS + output,
    }
