"""A running edge with its default settings."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.api.service import Service, service


@pytest.fixture
async def api() -> AsyncIterator[Service]:
    """Return the playground, served."""
    async with service() as running:
        yield running
