"""Whether a server answers already, in its own protocol."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

PROBE_SECONDS = 2.0
"""A server that takes longer is not up yet."""


async def postgres_answers(url: str) -> bool:
    """Whether PostgreSQL takes connections."""
    with suppress(OSError, TimeoutError, asyncpg.PostgresError):
        connection = await asyncpg.connect(url, timeout=PROBE_SECONDS)
        await connection.close()
        return True
    return False


async def redis_answers(url: str) -> bool:
    """Whether Redis takes commands: it answers sooner, but only that it still loads its data."""
    async with Redis.from_url(url, socket_timeout=PROBE_SECONDS) as client:
        with suppress(OSError, RedisError):
            return bool(await client.ping())
    return False


async def http_answers(url: str) -> bool:
    """Whether an HTTP server says 200 to a GET."""
    return await http_status(url) == 200  # noqa: PLR2004 - OK, as everybody knows


async def http_status(url: str) -> int | None:
    """Return the status that a GET is answered with, or None where nothing answers."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(
                    f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                    "Accept: */*\r\nConnection: close\r\n\r\n".encode()
                )
                status_line = await reader.readline()
            finally:
                writer.close()
        return int(status_line.split()[1])
    except (OSError, TimeoutError, ValueError, IndexError):
        return None
