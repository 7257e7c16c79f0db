"""What counts as an outage of PostgreSQL, and what is a fault of ours."""

import pytest
from asyncpg import CannotConnectNowError, InternalClientError, UndefinedTableError

from db.outages import failing_closed
from domain.refusals import UpstreamUnavailable


@pytest.mark.parametrize(
    "fault",
    [
        ConnectionResetError(),
        TimeoutError(),
        CannotConnectNowError("the database system is starting up"),
        InternalClientError("got result for unknown protocol state 3"),
        RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_an_outage_is_refused_as_one(fault: Exception) -> None:
    with pytest.raises(UpstreamUnavailable), failing_closed():
        raise fault


@pytest.mark.parametrize("fault", [UndefinedTableError("no such table"), RuntimeError("a bug")])
def test_a_fault_of_ours_stays_one(fault: Exception) -> None:
    with pytest.raises(type(fault)), failing_closed():
        raise fault
