"""A session that was ended, in other processes: how long its token and its socket still work."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.clients.graphql import GraphQLApi, SocketClosed
from tests.figures import Figures
from tests.integration.accounts.town import PASSWORD, Client, Town, town

WITHIN = 5
"""Seconds that the end of a session may take to be felt everywhere."""

UNLIMITED = {"rate_limit_burst": 100_000, "authentication_burst": 100_000}
WATCH = "subscription { viewerEvents { __typename } }"


@pytest.fixture
async def here(postgres_url: str, redis_url: str) -> AsyncIterator[Town]:
    async with town(postgres_url, redis_url, **UNLIMITED) as running:
        yield running


@pytest.fixture
async def there(postgres_url: str, redis_url: str) -> AsyncIterator[Town]:
    """Return a second process on the same servers."""
    async with town(postgres_url, redis_url, **UNLIMITED) as running:
        yield running


async def test_an_ended_session_loses_its_token_and_its_socket_in_all_processes(
    here: Town, there: Town, figures: Figures
) -> None:
    await here.account()
    mira, rounds = Client(here), figures.scale(3, 100)
    await mira.log_in()
    slowest_token = slowest_socket = 0.0
    for _ in range(rounds):
        phone = Client(there)
        await phone.log_in()
        async with (
            GraphQLApi(f"{there.url}/graphql") as api,
            api.subscribe(WATCH, token=phone.token, within=WITHIN) as events,
        ):
            assert await anext(events) == {"viewerEvents": {"__typename": "LibrarySnapshot"}}
            closing = asyncio.create_task(_closed(events))
            assert (await mira.ask("endOtherSessions", "ended", password=PASSWORD))["ended"] == 1
            ended = time.perf_counter()
            assert await phone.email() is None
            slowest_token = max(slowest_token, time.perf_counter() - ended)
            # The socket may hear of it before the one who asked has the answer.
            slowest_socket = max(slowest_socket, await closing - ended)
            assert events.close_code == 4403
    assert slowest_token <= WITHIN
    assert slowest_socket <= WITHIN
    figures.show(
        "a session ended elsewhere",
        f"rounds: {rounds}; token refused in {slowest_token * 1000:.0f} ms, socket closed in"
        f" {slowest_socket * 1000:.0f} ms at most, of {WITHIN} s",
    )


async def _closed(events: AsyncIterator[object]) -> float:
    """Return when the socket was closed."""
    with pytest.raises(SocketClosed):
        await anext(events)
    return time.perf_counter()
