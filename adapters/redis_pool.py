"""Connections to Redis that nobody waits for long, neither for Redis nor for each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TimedOut

PAUSE_SECONDS = 0.5
"""How long one waits that connects again."""

SILENCE = 2.0
"""Seconds that Redis may be silent. A command is tried twice, so a caller waits for 5 s at most."""


class _Plain(AbstractConnection):
    """A connection that says in redis-py's words that it was cut a moment ago, not in uvloop's.

    So a command that met the cut is tried once more, and whoever asked learns of an outage.
    """

    async def send_packed_command(self, *command: Any, **options: Any) -> None:  # noqa: ANN401
        """Send it."""
        try:
            await super().send_packed_command(*command, **options)
        except RuntimeError as fault:
            raise ConnectionLost(str(fault)) from fault


def _plain(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return such connections over TCP, TLS or a socket file."""
    return cast("type[AbstractConnection]", type(f"Plain{kind.__name__}", (_Plain, kind), {}))


class ParallelPool(ConnectionPool):
    """Connects for many callers at once, and lets the others wait for a connection.

    redis-py 5.3 holds a lock while it connects: with a Redis that falls silent, the hundredth
    caller would wait for a hundred time-outs. Taking a connection from the list needs no lock.
    Without a bound, a hundred requests at once would open a hundred connections, which takes far
    longer than to answer them over a few.
    """

    def __init__(self, *, max_connections: int = 40, **options: Any) -> None:  # noqa: ANN401
        """Keep to so many connections. The options are those of one connection."""
        super().__init__(max_connections=max_connections, **options)
        self.connection_class = _plain(self.connection_class)
        self._free = asyncio.Semaphore(max_connections)
        self.tries: float = 1
        """How often to connect before a caller is told that Redis is away."""

    async def get_connection(
        self,
        command_name: str | None = None,
        *keys: Any,  # noqa: ANN401 - of no use since redis-py 5.3
        **options: Any,  # noqa: ANN401
    ) -> AbstractConnection:
        """Return a connection that is ready for a command."""
        del command_name, keys, options
        tried = 0
        while True:
            try:
                return await self._ready()
            except (RedisError, OSError):
                tried += 1
                if tried >= self.tries:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ready(self) -> AbstractConnection:
        await self._free.acquire()
        # redis-py leaves this one without annotations.
        connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except RuntimeError as fault:
            # What uvloop says of a connection that was cut a moment ago.
            await self.release(connection)
            raise ConnectionLost(str(fault)) from fault
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back, for the next caller. Raises KeyError where it was not out."""
        # A caller that is cancelled right here may give it back once more.
        was_out = connection in self._in_use_connections
        try:
            await super().release(connection)
        finally:
            if was_out:
                self._free.release()


@asynccontextmanager
async def open_redis(url: str, silence: float = SILENCE) -> AsyncIterator[Redis]:
    """Open a client that outlives a restart of Redis and never waits long for a silent one."""
    async with Redis.from_pool(patient_pool(url, silence)) as redis:
        yield redis


def patient_pool(url: str, silence: float = SILENCE, retries: int = 1) -> ParallelPool:
    """Return the pool of such a client; it tries what fails so many times more."""
    pool: ParallelPool = ParallelPool.from_url(
        url,
        socket_timeout=silence,
        socket_connect_timeout=silence,
        socket_keepalive=True,
        health_check_interval=30,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=retries),
        retry_on_error=[ConnectionLost, TimedOut],
    )
    return pool
