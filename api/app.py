"""The application as a server starts it: `uvicorn api.app:create_app --factory`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.heartbeat import live_workers
from adapters.socket_counts import RedisSocketCounts
from api.drain import Drain, draining_on_sigterm
from api.edge import Edge, assemble
from api.graphql.stay import SocketRules
from api.graphql.trusted import RegistryUnreadable, TrustedDocuments
from api.identity import Caller
from bootstrap.collector import look_seldom
from bootstrap.container import Container, open_container
from bootstrap.logs import configure_logs
from bootstrap.settings import Settings
from bootstrap.settings_loading import SettingsInvalid, load_settings
from schema.context import Client, Context
from schema.schema import schema
from usecases.ports.limits import SocketCounts


def create_app(settings: Settings | None = None) -> ASGIApp:
    """Make the application; what it needs is opened when the server starts it."""
    settings = settings or load_settings()
    configure_logs(settings)
    trusted = _trusted_documents(settings)
    service = _NotYet()

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        async with open_container(settings, part="api") as container:
            socket_counts = RedisSocketCounts(container.redis)
            edge = edge_of(container, trusted, socket_counts)
            service.app = assemble(edge)
            look_seldom()
            async with socket_counts.open():
                with draining_on_sigterm(edge.drain, seconds=settings.drain_seconds / 2):
                    yield

    return Router(default=service, lifespan=lifespan)


def _trusted_documents(settings: Settings) -> TrustedDocuments:
    try:
        return TrustedDocuments.load(
            Path(settings.trusted_documents) if settings.trusted_documents else None,
            only=settings.documents == "trusted",
        )
    except RegistryUnreadable as fault:
        raise SettingsInvalid(f"storyloom: TRUSTED_DOCUMENTS: {fault}. Build it anew.") from None


class _NotYet:
    """Stands for the application until the server has started it."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def edge_of(container: Container, trusted: TrustedDocuments, socket_counts: SocketCounts) -> Edge:
    """Connect the edge with the wired application."""
    settings = container.settings

    def new_context(caller: Caller) -> Context:
        return Context(
            use_cases=container.use_cases,
            reads=container.reads,
            client=Client(caller.address, caller.user_agent),
            request_id=caller.request_id,
            claims=caller.identity.claims,
            rejection=caller.identity.rejection,
            cookies=caller.cookies,
            resume_from=caller.resume_from,
        )

    async def worker() -> None:
        if not await live_workers(container.redis):
            raise LookupError("no worker has shown a sign of life")

    return Edge(
        settings=settings,
        schema=schema,
        new_context=new_context,
        authenticate=container.use_cases.authenticate,
        public_keys=container.keyring.jwks,
        session_ends=container.session_ends,
        rate_limiter=container.rate_limiter,
        socket_counts=socket_counts,
        clock=container.clock,
        checks={
            "postgresql": container.database.ping,
            "redis": container.redis.ping,
            "worker": worker,
        },
        trusted=trusted,
        rules=SocketRules(
            operations=settings.socket_operations,
            per_address=settings.sockets_per_address,
            per_account=settings.sockets_per_account,
        ),
        drain=Drain(seconds=min(3, settings.drain_seconds / 2)),
    )
