"""Errors as clients read them: a message, a place, and a code that programs can act on.

What a user can cause is told; what is a fault of ours is logged and masked.
"""

import re
from typing import Any

from graphql import FieldNode, GraphQLError
from loguru import logger
from strawberry.exceptions import StrawberryInputCoercionError

from api.codes import Code
from domain.refusals import InvalidInput, Refusal
from usecases.tracing import request_id

ErrorEntry = dict[str, Any]
"""One entry of a response's `errors`."""

LONGEST_MESSAGE = 200
"""Characters of a message: enough to tell, too few to echo what a caller sent."""

_FOUND = re.compile(r"[;.,]? found: .*", re.DOTALL | re.IGNORECASE)
_LONG_WORD = re.compile(r"(\S{40})\S+")

RETRYABLE = frozenset({Code.RATE_LIMITED, Code.UPSTREAM_UNAVAILABLE})


class Refused(Exception):  # noqa: N818 - an answer
    """A request that is not executed, with the entries that say why."""

    def __init__(self, *errors: ErrorEntry) -> None:
        super().__init__()
        self.errors = list(errors)

    @property
    def code(self) -> str:
        """The code of the first entry."""
        return str(self.errors[0]["extensions"]["code"])


class SchemaFault(Exception):  # noqa: N818 - a fault of ours, for the log
    """What resolvers gave does not fit the schema."""


def entry(code: str, message: str, *, retry_after: int | None = None) -> ErrorEntry:
    """Make an entry that belongs to no place in the document."""
    extensions: dict[str, Any] = {"code": str(code), "retryable": code in RETRYABLE}
    if retry_after is not None:
        extensions["retryAfter"] = retry_after
    return {"message": message, "extensions": extensions}


def refused(code: Code, message: str, *, retry_after: int | None = None) -> Refused:
    """Make the refusal of a request for one reason."""
    return Refused(entry(code, message, retry_after=retry_after))


def document_entry(error: GraphQLError, code: Code = Code.VALIDATION_FAILED) -> ErrorEntry:
    """Publish what is wrong with a document or with its variables."""
    return _located(error, entry(code, _told(error.message)))


def refusal_entry(refusal: Refusal) -> ErrorEntry:
    """Publish a refusal that was raised where the schema has no type for it."""
    extensions: dict[str, Any] = {"code": refusal.code, "retryable": refusal.retryable}
    if refusal.retry_after is not None:
        extensions["retryAfter"] = refusal.retry_after
    if refusal.path:
        extensions["argumentPath"] = list(refusal.path)
    if isinstance(refusal, InvalidInput):
        extensions["issues"] = [
            {"path": list(issue.path), "code": issue.code, "message": issue.message}
            for issue in refusal.issues
        ]
    return {"message": refusal.message, "extensions": extensions}


def internal_entry(fault: BaseException) -> ErrorEntry:
    """Log a fault of ours, and publish no more than the id under which its log line is found."""
    logger.opt(exception=fault).error("Unexpected error")
    masked = entry(Code.INTERNAL, "Internal error")
    masked["extensions"]["requestId"] = request_id.get()
    return masked


def execution_entry(error: GraphQLError) -> ErrorEntry:
    """Publish what a field's execution ended with."""
    return _located(error, _execution_entry(error))


def _execution_entry(error: GraphQLError) -> ErrorEntry:
    cause = error.original_error
    if isinstance(cause, Refusal):
        return refusal_entry(cause)
    if isinstance(cause or error, StrawberryInputCoercionError) or _is_about_argument(error):
        return entry(Code.VALIDATION_FAILED, _told(error.message))
    # A GraphQLError's own text quotes the document, and so what its author wrote into it.
    return internal_entry(cause or SchemaFault(error.message))


def _is_about_argument(error: GraphQLError) -> bool:
    """Tell arguments that only their variables made wrong from fields that went wrong."""
    return any(not isinstance(node, FieldNode) for node in error.nodes or ())


def _located(error: GraphQLError, told: ErrorEntry) -> ErrorEntry:
    if error.locations:
        told["locations"] = [place.formatted for place in error.locations]
    if error.path is not None:
        told["path"] = list(error.path)
    return told


def _told(message: str) -> str:
    """Leave out what graphql-core quotes of a caller's values: they may be long, or secret."""
    message = _LONG_WORD.sub(r"\1…", " ".join(_FOUND.sub(".", message).split()))
    return message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"
