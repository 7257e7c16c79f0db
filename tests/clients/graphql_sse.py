"""The `graphql-sse` npm client, run by Node.js, as an asynchronous iterator."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.clients.node import NodeClient, node_client


@asynccontextmanager
async def graphql_sse(
    url: str,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    token: str | None = None,
    within: float = 20,
) -> AsyncIterator[NodeClient]:
    """Follow a subscription at an http:// address; it ends after "complete" or "error"."""
    settings = {"url": url, "query": query, "variables": dict(variables or {}), "token": token}
    async with node_client("graphql_sse_client.mjs", settings, within=within) as client:
        yield client
