"""How results are written into one long HTTP response."""

from typing import Protocol

import orjson

from api.graphql.errors import ErrorEntry
from api.graphql.stay import Leave


class Wire(Protocol):
    """A protocol for many results in one response. Each piece can be read as soon as it comes."""

    content_type: str
    opening: bytes
    keep_alive: bytes

    def result(self, payload: bytes, position: str | None = None) -> bytes:
        """Write one result; `position` is its place in the log that it is from."""
        ...

    def completed(self) -> bytes:
        """Write that the operation is done."""
        ...

    def refused(self, errors: list[ErrorEntry], tail: str) -> bytes:
        """Write that the operation could not begin, or could not go on. Nothing follows."""
        ...

    def left(self, leave: Leave, tail: str) -> bytes:
        """Write why the client has to go. Nothing follows."""
        ...


def errors_alone(errors: list[ErrorEntry], tail: str) -> bytes:
    """Write a result that is errors and nothing else, `tail` being its last entry."""
    return b'{"errors":%b,%b}' % (orjson.dumps(errors), tail.encode())
