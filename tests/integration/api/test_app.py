"""The application as a server starts it, on a real PostgreSQL and a real Redis."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr
from redis.asyncio import Redis
from starlette.types import Message

from adapters.heartbeat import Heartbeat
from api.app import create_app
from bootstrap.settings import Settings
from bootstrap.settings_loading import SettingsInvalid
from tests.integration.api.service import logs_restored, served, settings


def key(name: str) -> SecretStr:
    return SecretStr(urlsafe_b64encode(sha256(name.encode()).digest()).decode())


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    with logs_restored():
        yield


@pytest.fixture
def real(postgres_url: str, redis_url: str) -> Settings:
    """Return settings that name the real servers."""
    return settings(
        database_url=postgres_url,
        redis_url=redis_url,
        token_signing_key=key("tokens"),
        code_pepper=key("codes"),
        smtp_host="127.0.0.1",
        smtp_security="none",
        log_level="ERROR",
    )


@asynccontextmanager
async def running(app_settings: Settings) -> AsyncIterator[str]:
    """Start the application as a server does, lifespan included, and return its address."""
    async with served(create_app(app_settings), lifespan="on") as server:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


async def test_it_is_ready_when_postgresql_redis_and_a_worker_are(
    real: Settings, redis: Redis
) -> None:
    async with running(real) as url, AsyncClient() as http:
        alone = await http.get(f"{url}/health/ready")
        await Heartbeat(redis).beat()
        together = await http.get(f"{url}/health/ready")

    assert (alone.status_code, together.status_code) == (503, 200)
    assert alone.json()["checks"] == {
        "postgresql": "ok",
        "redis": "ok",
        "worker": "unavailable",
    }


async def test_the_whole_schema_is_behind_it(real: Settings) -> None:
    async with running(real) as url, AsyncClient() as http:
        viewer = await http.post(f"{url}/graphql", json={"query": "{ viewer { email } }"})
        story = await http.post(f"{url}/graphql", json={"query": '{ story(id: "x") { id } }'})

    assert viewer.json()["data"] == {"viewer": None}
    assert story.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_registry_that_cannot_be_read_stops_the_start(real: Settings, tmp_path: Path) -> None:
    (tmp_path / "app.json").write_text("{")

    with pytest.raises(SettingsInvalid, match=r"TRUSTED_DOCUMENTS: app\.json is not"):
        create_app(real.model_copy(update={"trusted_documents": str(tmp_path)}))


async def test_a_server_that_cannot_start_says_so_to_its_supervisor(real: Settings) -> None:
    """The lifespan fails before anything is served, and the server ends."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    app = create_app(real.model_copy(update={"redis_url": "nonsense://"}))
    with pytest.raises(ValueError, match="Redis URL must specify"):
        await app({"type": "lifespan", "state": {}}, receive, send)

    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
