"""The `graphql-ws` npm client, run by Node.js, as an asynchronous iterator."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.clients.node import NodeClient, node_client


@asynccontextmanager
async def graphql_ws(
    url: str,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    token: str | None = None,
    origin: str | None = None,
    within: float = 20,
) -> AsyncIterator[NodeClient]:
    """Follow a subscription at a ws:// address; it ends after "complete" or "error"."""
    settings = {"url": url, "query": query, "variables": dict(variables or {})}
    settings |= {"token": token} if token else {}
    settings |= {"origin": origin} if origin else {}
    async with node_client("graphql_ws_client.mjs", settings, within=within) as client:
        yield client
