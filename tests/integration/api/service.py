"""The edge behind a real server on a free port, with fakes for everything behind it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import orjson
import strawberry
import uvicorn
from httpx2 import AsyncClient, Response
from loguru import logger
from starlette.types import ASGIApp
from uuid_utils.compat import uuid7
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from api.drain import Drain
from api.edge import Edge, assemble
from api.graphql.negotiation import EVENT_STREAM
from api.graphql.stay import SocketRules
from api.graphql.trusted import TrustedDocuments
from api.health import Check
from api.identity import Caller
from api.published_keys import PublicKeys
from bootstrap.settings import Settings
from domain.refusals import TokenExpired, Unauthenticated, UpstreamUnavailable
from domain.sessions import AccessClaims
from tests.fakes.clock import FakeClock
from tests.fakes.rate_limiter import FakeRateLimiter
from tests.fakes.session_ends import FakeSessionEnds
from tests.fakes.socket_counts import FakeSocketCounts
from tests.integration.api.playground import PlaygroundContext, Watch, schema

GRAPHQL_WS = Subprotocol("graphql-transport-ws")

UNCHECKED = "a token that nobody can check, as the database is away"


@dataclass
class Service:
    """A running edge and the ways to talk to it."""

    port: int
    watch: Watch
    clock: FakeClock
    session_ends: FakeSessionEnds
    rate_limiter: FakeRateLimiter
    drain: Drain
    socket_counts: FakeSocketCounts
    tokens: dict[str, AccessClaims]
    server: uvicorn.Server
    http: AsyncClient = field(default_factory=AsyncClient)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sign_in(self, seconds: float = 900, account_id: UUID | None = None) -> str:
        """Return a token that is good for so long."""
        token = str(uuid7())
        now = self.clock.now()
        self.tokens[token] = AccessClaims(
            account_id=account_id or uuid7(),
            session_id=uuid7(),
            expires_at=now.fromtimestamp(now.timestamp() + seconds, now.tzinfo),
        )
        return token

    async def post(
        self, query: object, headers: dict[str, str] | None = None, **parameters: object
    ) -> Response:
        """Send an operation."""
        return await self.http.post(
            f"{self.url}/graphql", json={"query": query, **parameters}, headers=headers
        )

    async def send(self, body: bytes, **headers: str) -> Response:
        """Send a body as it is."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(
            f"{self.url}/graphql",
            content=body,
            headers={"content-type": "application/json", **named},
        )

    def stream(
        self,
        query: str,
        *,
        accept: str = EVENT_STREAM,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> AbstractAsyncContextManager[Response]:
        """Send an operation whose results are streamed."""
        return self.http.stream(
            "POST",
            f"{self.url}/graphql",
            json={"query": query, **parameters},
            headers={"accept": accept, **(headers or {})},
        )

    @asynccontextmanager
    async def socket(
        self,
        *,
        init: object = (),
        subprotocol: str | None = GRAPHQL_WS,
        origin: str | None = None,
    ) -> AsyncIterator["Talk"]:
        """Open a WebSocket; with `init` the connection is initialised with that payload."""
        async with connect(
            f"ws://127.0.0.1:{self.port}/graphql",
            subprotocols=None if subprotocol is None else [Subprotocol(subprotocol)],
            compression=None,
            origin=None if origin is None else Origin(origin),
        ) as connection:
            talk = Talk(connection)
            if init != ():
                await talk.say(type="connection_init", payload=init)
                assert await talk.hear() == {"type": "connection_ack"}
            yield talk


@dataclass
class Talk:
    """A client that speaks graphql-transport-ws, or does not."""

    connection: ClientConnection

    async def say(self, **frame: object) -> None:
        await self.connection.send(orjson.dumps(frame).decode())

    async def start(self, identifier: str, query: str, **parameters: object) -> None:
        await self.say(id=identifier, type="subscribe", payload={"query": query, **parameters})

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            frame: dict[str, Any] = orjson.loads(await self.connection.recv())
            return frame

    async def closed(self) -> tuple[int, str]:
        """Wait for the end and return its code and reason."""
        async with asyncio.timeout(5):
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""


def settings(**changes: object) -> Settings:
    """Return settings that do not depend on the machine."""
    return Settings(_env_file=None).model_copy(update=changes)


@contextmanager
def logs_restored() -> Iterator[None]:
    """Give the log back as it was: it belongs to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logger.remove()
    logger.configure(patcher=lambda _: None)


@asynccontextmanager
async def served(
    app: ASGIApp, lifespan: Literal["on", "off"] = "off"
) -> AsyncIterator[uvicorn.Server]:
    """Run an application in uvicorn, without the pauses of its main loop."""
    config = uvicorn.Config(
        app,
        port=0,
        ws="websockets-sansio",
        ws_max_size=65_536,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan=lifespan,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server
    finally:
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        await asyncio.gather(*server.server_state.tasks, return_exceptions=True)
        await server.lifespan.shutdown()


@dataclass(frozen=True)
class Play:
    """What is served: a schema, and what its resolvers see."""

    schema: strawberry.Schema
    context: Callable[[Watch, Caller], object]


PLAYGROUND = Play(
    schema, lambda watch, caller: PlaygroundContext(watch, caller, serial=watch.contexts)
)


@asynccontextmanager
async def service(
    *,
    rules: SocketRules | None = None,
    checks: Mapping[str, Check] | None = None,
    trusted: TrustedDocuments | None = None,
    public_keys: PublicKeys | None = None,
    play: Play = PLAYGROUND,
    **changes: object,
) -> AsyncIterator[Service]:
    """Serve a schema, that of the playground by default, with these settings."""
    watch, clock, tokens = Watch(), FakeClock(), dict[str, AccessClaims]()
    session_ends, rate_limiter, drain = FakeSessionEnds(), FakeRateLimiter(), Drain(seconds=0.2)
    socket_counts = FakeSocketCounts()

    def new_context(caller: Caller) -> object:
        watch.contexts += 1
        return play.context(watch, caller)

    async def authenticate(token: str) -> AccessClaims:
        if token == UNCHECKED:
            raise UpstreamUnavailable
        claims = tokens.get(token)
        if claims is None or claims.session_id in session_ends.announced:
            raise Unauthenticated
        if claims.expires_at <= clock.now():
            raise TokenExpired
        return claims

    async def no_keys() -> dict[str, object]:
        return {"keys": []}

    edge = Edge(
        settings=settings(**changes),
        schema=play.schema,
        new_context=new_context,
        authenticate=authenticate,
        public_keys=public_keys or no_keys,
        session_ends=session_ends,
        rate_limiter=rate_limiter,
        socket_counts=socket_counts,
        clock=clock,
        checks=checks or {},
        trusted=trusted or TrustedDocuments(),
        rules=rules or SocketRules(),
        drain=drain,
    )
    async with served(assemble(edge)) as server, AsyncClient() as http:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Service(
            port,
            watch,
            clock,
            session_ends,
            rate_limiter,
            drain,
            socket_counts,
            tokens,
            server,
            http,
        )
