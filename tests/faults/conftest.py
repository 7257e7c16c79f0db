"""A Storyloom whose parts the test may kill: servers of its own, and a model that misbehaves."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.graphql import GraphQLApi
from tests.clients.person import Person, log_in
from tests.deployment import Deployment
from tests.gemini_server import GeminiServer
from tests.servers import Server
from tests.smtp_server import SmtpServer


@pytest.fixture
async def mail_server() -> AsyncIterator[SmtpServer]:
    """Return a mail server that can be stopped."""
    async with SmtpServer() as server:
        yield server


@pytest.fixture
async def gemini() -> AsyncIterator[GeminiServer]:
    """Return a model server that does as scripted."""
    async with GeminiServer() as server:
        yield server


@pytest.fixture
async def deployment(
    postgres_url: str,
    redis_url: str,
    mail_server: SmtpServer,
    gemini: GeminiServer,
    tmp_path: Path,
) -> AsyncIterator[Deployment]:
    """Return a running Storyloom that writes with the model server."""
    settings = _writing_with(gemini)
    async with Deployment(postgres_url, redis_url, mail_server.port, tmp_path, settings) as running:
        yield running


@pytest.fixture
async def fragile(
    own_postgres: Server,
    own_redis: Server,
    mail_server: SmtpServer,
    gemini: GeminiServer,
    tmp_path: Path,
) -> AsyncIterator[Deployment]:
    """Return a running Storyloom whose PostgreSQL and Redis the test may kill."""
    settings = _writing_with(gemini)
    async with Deployment(
        own_postgres.url, own_redis.url, mail_server.port, tmp_path, settings
    ) as running:
        yield running


@pytest.fixture
async def ada(deployment: Deployment, mail_server: SmtpServer) -> AsyncIterator[Person]:
    """Return somebody who is logged in to `deployment`."""
    async with GraphQLApi(f"{deployment.url}/graphql") as api:
        yield await log_in(api, mail_server)


@pytest.fixture
async def fragile_ada(fragile: Deployment, mail_server: SmtpServer) -> AsyncIterator[Person]:
    """Return somebody who is logged in to `fragile`."""
    async with GraphQLApi(f"{fragile.url}/graphql") as api:
        yield await log_in(api, mail_server)


def _writing_with(gemini: GeminiServer) -> dict[str, str]:
    return {
        "GEMINI_API_KEY": "a key for tests",
        "GEMINI_BASE_URL": gemini.url,
        "GEMINI_FIRST_CHUNK_SECONDS": "1",
        "GEMINI_CHUNK_SECONDS": "20",
        "GEMINI_ATTEMPTS": "2",
        "STORIES_AT_ONCE": "100",
        "SOCKETS_PER_ACCOUNT": "100",
    }
