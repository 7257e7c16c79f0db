"""The events of GraphQL over SSE, in its mode of distinct connections.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

from api.graphql.errors import ErrorEntry
from api.graphql.negotiation import EVENT_STREAM
from api.graphql.stay import Leave
from api.graphql.wire import errors_alone

COMPLETE = b"event: complete\ndata:\n\n"


class EventStream:
    """Writes results as server-sent events.

    Without a `complete` event the end is not meant: clients come back, with the id that they saw
    last.
    """

    content_type = f"{EVENT_STREAM}; charset=utf-8"
    opening = b":\n\n"
    keep_alive = b":\n\n"

    def result(self, payload: bytes, position: str | None = None) -> bytes:
        """Write one result, with its place in the log as the event's id."""
        identifier = b"" if position is None else b"id: %s\n" % position.encode()
        return b"event: next\n%bdata: %b\n\n" % (identifier, payload)

    def whole(self, payload: bytes) -> bytes:
        """Write the stream of an operation that has one result only."""
        return self.result(payload) + COMPLETE

    def completed(self) -> bytes:
        """Write that the operation is done."""
        return COMPLETE

    def refused(self, errors: list[ErrorEntry], tail: str) -> bytes:
        """Write that the operation could not begin, or could not go on."""
        return self.result(errors_alone(errors, tail)) + COMPLETE

    def left(self, leave: Leave, tail: str) -> bytes:
        """Write why the client has to go."""
        if leave.comes_back:
            return b": %b\n\n" % leave.message.encode()
        return self.refused([leave.entry], tail)
