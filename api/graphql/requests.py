"""What a client asks for: the parameters of a GraphQL request, checked for their kinds."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from api.codes import Code
from api.graphql.errors import refused
from api.graphql.trusted import PREFIX


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """One operation, as a client sent it: with its text, or with the hash of a trusted one."""

    query: str | None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    document_hash: str | None = None

    @classmethod
    def of(cls, parameters: object) -> "GraphQLRequest":
        """Read the parameters of a request. Raises Refused."""
        if isinstance(parameters, list):
            raise refused(
                Code.VALIDATION_FAILED, "Batches are not supported: send one request at a time."
            )
        if not isinstance(parameters, dict):
            raise refused(Code.VALIDATION_FAILED, "The request must be a JSON object.")
        query = _of_kind(str, parameters, "query")
        extensions = _of_kind(dict, parameters, "extensions")
        document_hash = _document_hash(parameters, extensions or {})
        if query is None and document_hash is None:
            raise refused(Code.VALIDATION_FAILED, "`query` must be a string: a GraphQL document.")
        return cls(
            query,
            _of_kind(str, parameters, "operationName") or None,
            _of_kind(dict, parameters, "variables") or {},
            document_hash,
        )


Kind = TypeVar("Kind")


def _of_kind(kind: type[Kind], parameters: dict[str, Any], name: str) -> Kind | None:
    value = parameters.get(name)
    if value is None or isinstance(value, kind):
        return value
    expected = "a string" if kind is str else "an object"
    raise refused(Code.VALIDATION_FAILED, f"`{name}` must be {expected} or null.")


def _document_hash(parameters: dict[str, Any], extensions: dict[str, Any]) -> str | None:
    """Return the hash in `documentId`, or in Apollo's `extensions.persistedQuery`."""
    named = _of_kind(str, parameters, "documentId")
    if named is not None:
        if not named.startswith(PREFIX):
            raise refused(Code.VALIDATION_FAILED, f"`documentId` must be {PREFIX}<hexadecimal>.")
        return named.removeprefix(PREFIX).lower()
    persisted = _of_kind(dict, extensions, "persistedQuery")
    if persisted is None:
        return None
    digest = _of_kind(str, persisted, "sha256Hash")
    if persisted.get("version") != 1 or digest is None:
        raise refused(Code.VALIDATION_FAILED, "`persistedQuery` must have version 1 and a hash.")
    return digest.lower()


def read_json(text: bytes | str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Read JSON. Raises Refused.

    orjson refuses what would hurt: nesting beyond 1,024, numbers out of range, bytes that are not
    UTF-8, lone surrogates.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise refused(Code.VALIDATION_FAILED, "The request is not valid JSON.") from None
