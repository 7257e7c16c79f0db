"""A whole Storyloom for a test: API and worker processes, and a mail server that it watches."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.graphql import GraphQLApi
from tests.deployment import Deployment
from tests.smtp_server import SmtpServer


@pytest.fixture
async def mail_server() -> AsyncIterator[SmtpServer]:
    """Return a mail server that keeps what it gets."""
    async with SmtpServer() as server:
        yield server


@pytest.fixture
async def deployment(
    postgres_url: str, redis_url: str, mail_server: SmtpServer, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """Return a running Storyloom with one worker."""
    async with Deployment(postgres_url, redis_url, mail_server.port, tmp_path) as running:
        yield running


@pytest.fixture
async def api(deployment: Deployment) -> AsyncIterator[GraphQLApi]:
    """Return a client of the running Storyloom."""
    async with GraphQLApi(f"{deployment.url}/graphql") as client:
        yield client
