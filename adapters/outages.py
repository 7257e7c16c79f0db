"""What happens while a server that we need is away."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from domain.refusals import UpstreamUnavailable

REDIS_OUTAGES = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    OutOfMemoryError,
    OSError,
)
"""What the Redis client raises while Redis is away, starting, full, or a replica."""


@contextmanager
def failing_closed() -> Iterator[None]:
    """Refuse what cannot be decided without Redis. Raises UpstreamUnavailable in its absence."""
    try:
        yield
    except REDIS_OUTAGES as error:
        raise UpstreamUnavailable(retry_after=5) from error
