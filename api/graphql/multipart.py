"""The parts of Apollo's multipart protocol for subscriptions over HTTP.

https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
"""

import orjson

from api.graphql.errors import ErrorEntry
from api.graphql.negotiation import MULTIPART, SUBSCRIPTION_SPEC
from api.graphql.stay import Leave
from api.graphql.wire import errors_alone

BOUNDARY = "graphql"
DELIMITER = f"\r\n--{BOUNDARY}".encode()
HEADERS = b"\r\nContent-Type: application/json\r\n\r\n"
CLOSE = b"--\r\n"


class Multipart:
    """Writes results as parts; each ends with a delimiter, so that it can be read at once."""

    content_type = f'{MULTIPART};boundary="{BOUNDARY}";subscriptionSpec={SUBSCRIPTION_SPEC}'
    opening = DELIMITER + HEADERS + b"{}" + DELIMITER
    keep_alive = HEADERS + b"{}" + DELIMITER

    def result(self, payload: bytes, position: str | None = None) -> bytes:
        """Write one result; its place in the log is told by nothing but its own fields."""
        del position
        return b'%b{"payload":%b}%b' % (HEADERS, payload, DELIMITER)

    def completed(self) -> bytes:
        """Write that the operation is done."""
        return CLOSE

    def refused(self, errors: list[ErrorEntry], tail: str) -> bytes:
        """Write that the operation could not begin, or could not go on."""
        return self.result(errors_alone(errors, tail)) + CLOSE

    def left(self, leave: Leave, tail: str) -> bytes:
        """Write why the client has to go: an error of the transport, which has no payload."""
        del tail
        told = orjson.dumps({"payload": None, "errors": [leave.entry]})
        return HEADERS + told + DELIMITER + CLOSE
