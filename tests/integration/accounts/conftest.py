"""A running service and somebody who is logged in."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.accounts.town import Client, Town, town


@pytest.fixture
async def place(postgres_url: str, redis_url: str) -> AsyncIterator[Town]:
    """Return a running service without accounts."""
    async with town(postgres_url, redis_url) as running:
        yield running


@pytest.fixture
async def mira(place: Town) -> Client:
    """Return the browser of an account that is logged in."""
    await place.account()
    client = Client(place)
    await client.log_in()
    return client
