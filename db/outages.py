"""What happens while PostgreSQL is away."""

from collections.abc import Iterator
from contextlib import contextmanager

from asyncpg import InterfaceError, InternalClientError, PostgresError
from loguru import logger
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from domain.refusals import UpstreamUnavailable

CONNECTION_LOST = "08"
"""Class of SQLSTATE in which all connection faults are."""

NOT_NOW = frozenset({"57P01", "57P02", "57P03", "53300", "25006", "55P03"})
"""SQLSTATE of a server that shuts down, has crashed, starts, is full, or became a replica.

The last is of a row that somebody holds for too long, as a process does that was stopped.
"""

CUT = "handler is closed"
"""What uvloop says, in a RuntimeError, of a connection that was cut a moment ago."""

AWAY = (
    OSError,
    PoolExhausted,
    DBAPIError,
    PostgresError,
    InterfaceError,
    InternalClientError,
    RuntimeError,
)
"""What may tell of an outage; TimeoutError is an OSError, and asyncpg's own come of connecting.

An InternalClientError is its word for an answer that broke off where it expected none to.
"""


@contextmanager
def failing_closed() -> Iterator[None]:
    """Refuse what cannot be done without PostgreSQL. Raises UpstreamUnavailable in its absence.

    After a commit whose answer was lost nobody knows whether it was done: that is refused too.
    """
    try:
        yield
    except AWAY as error:
        if not _is_outage(error):
            raise
        logger.bind(error=type(error).__name__).warning("PostgreSQL does not answer")
        raise UpstreamUnavailable(retry_after=5) from error


def _is_outage(error: Exception) -> bool:
    match error:
        case DBAPIError():
            return error.connection_invalidated or _says_so(error.orig)
        case PostgresError():
            return _says_so(error)
        case RuntimeError():
            return CUT in str(error)
    return True


def _says_so(error: BaseException | None) -> bool:
    state = getattr(error, "sqlstate", None) or ""
    return state.startswith(CONNECTION_LOST) or state in NOT_NOW
