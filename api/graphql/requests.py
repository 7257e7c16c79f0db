"""What a client asks for: the parameters of a GraphQL request, checked for their kinds."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from api.codes import Code
from api.graphql.errors import refused


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """One operation, as a client sent it."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, parameters: object) -> "GraphQLRequest":
        """Read the parameters of a request. Raises Refused."""
        if isinstance(parameters, list):
            raise refused(
                Code.VALIDATION_FAILED, "Batches are not supported: send one request at a time."
            )
        if not isinstance(parameters, dict):
            raise refused(Code.VALIDATION_FAILED, "The request must be a JSON object.")
        query, name = parameters.get("query"), parameters.get("operationName")
        variables = parameters.get("variables")
        if not isinstance(query, str):
            raise refused(Code.VALIDATION_FAILED, "`query` must be a string: a GraphQL document.")
        if not isinstance(name, str | None):
            raise refused(Code.VALIDATION_FAILED, "`operationName` must be a string or null.")
        if not isinstance(variables, dict | None):
            raise refused(Code.VALIDATION_FAILED, "`variables` must be an object or null.")
        if not isinstance(parameters.get("extensions"), dict | None):
            raise refused(Code.VALIDATION_FAILED, "`extensions` must be an object or null.")
        return cls(query, name or None, variables or {})


def read_json(text: bytes | str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Read JSON. Raises Refused.

    orjson refuses what would hurt: nesting beyond 1,024, numbers out of range, bytes that are not
    UTF-8, lone surrogates.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise refused(Code.VALIDATION_FAILED, "The request is not valid JSON.") from None
