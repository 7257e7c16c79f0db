"""What is served where, and what every request passes on its way there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import strawberry
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from api.admission import Admission, Rates
from api.answers import not_found
from api.drain import Drain
from api.graphiql import BUNDLE, GraphiQLPage
from api.graphql.execution import Engine
from api.graphql.http import GraphQLOverHTTP
from api.graphql.limits import Limits
from api.graphql.stay import SocketRules, Stays
from api.graphql.trusted import TrustedDocuments
from api.graphql.websocket import GraphQLOverWebSocket
from api.health import Check, Live, Ready
from api.identity import Authenticate, NewContext
from api.middleware.client_address import ClientAddress
from api.middleware.cors import Cors
from api.middleware.faults import Faults
from api.middleware.rate_limit import RateLimit
from api.middleware.security_headers import SecurityHeaders
from api.middleware.visits import Visits
from api.origins import Origins
from api.published_keys import PublicKeys, PublishedKeys
from bootstrap.settings import Settings
from usecases.ports.limits import RateLimiter, SocketCounts
from usecases.ports.sessions import SessionEnds
from usecases.ports.time_and_chance import Clock


@dataclass(frozen=True, slots=True)
class Edge:
    """What the edge needs of the application behind it."""

    settings: Settings
    schema: strawberry.Schema
    new_context: NewContext
    authenticate: Authenticate
    public_keys: PublicKeys
    session_ends: SessionEnds
    rate_limiter: RateLimiter
    socket_counts: SocketCounts
    clock: Clock
    checks: Mapping[str, Check]
    trusted: TrustedDocuments = field(default_factory=TrustedDocuments)
    rules: SocketRules = field(default_factory=SocketRules)
    drain: Drain = field(default_factory=Drain)


def assemble(edge: Edge) -> ASGIApp:
    """Put the application together, middleware around routes."""
    settings = edge.settings
    admission = Admission(edge.rate_limiter, Rates.of(settings))
    origins = Origins(settings.allowed_origins, settings.public_url)
    app: ASGIApp = _routes(edge, admission, origins)
    app = RateLimit(app, admission)
    app = Cors(app, origins)
    app = ClientAddress(app, settings.trusted_proxies)
    app = Faults(app)
    app = SecurityHeaders(app, https=settings.public_url.startswith("https://"))
    return Visits(app)


def _routes(edge: Edge, admission: Admission, origins: Origins) -> Router:
    settings = edge.settings
    engine = Engine(
        edge.schema,
        Limits(
            tokens=settings.max_query_tokens,
            depth=settings.max_query_depth,
            aliases=settings.max_query_aliases,
        ),
        trusted=edge.trusted,
        introspection=settings.introspects,
        suggestions=not settings.is_production,
        seconds=settings.operation_seconds,
        most_cost=settings.max_query_cost,
    )
    stays = Stays(edge.session_ends, edge.clock, edge.socket_counts, edge.drain, edge.rules)
    over_http = GraphQLOverHTTP(
        engine=engine,
        authenticate=edge.authenticate,
        new_context=edge.new_context,
        admission=admission,
        origins=origins,
        stays=stays,
        max_body_bytes=settings.max_body_bytes,
        page=None if settings.is_production else GraphiQLPage(),
    )
    over_websocket = GraphQLOverWebSocket(
        engine=engine,
        authenticate=edge.authenticate,
        new_context=edge.new_context,
        admission=admission,
        origins=origins,
        stays=stays,
    )
    routes = [
        Route("/graphql", over_http),
        WebSocketRoute("/graphql", over_websocket),
        Route("/.well-known/jwks.json", PublishedKeys(edge.public_keys)),
        Route("/health/live", Live()),
        Route("/health/ready", Ready(edge.checks, edge.drain)),
    ]
    if not settings.is_production:
        routes.append(Mount("/graphiql", StaticFiles(directory=BUNDLE, check_dir=False)))
    return Router(routes, redirect_slashes=False, default=not_found)
