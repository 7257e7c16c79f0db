"""Which class of operations something belongs to: each has a rate limit of its own."""

from collections.abc import Mapping
from enum import StrEnum

from graphql import OperationDefinitionNode, OperationType

from api.graphql.limits import AUTHENTICATION, Size


class OperationClass(StrEnum):
    """What an operation does, as far as limits are concerned; READ is all that is neither."""

    AUTHENTICATION = "authentication"
    STORY = "story"
    READ = "read"


STORY = frozenset({"requestStory", "cancelStory"})
"""Mutations that cause, or call off, work that costs money."""


def classes(operation: OperationDefinitionNode, size: Size) -> Mapping[OperationClass, int]:
    """Count an operation's fields by class: a mutation takes a token for each of its fields."""
    found: dict[OperationClass, int] = {}
    if operation.operation is OperationType.MUTATION:
        for kind, names in (
            (OperationClass.AUTHENTICATION, AUTHENTICATION),
            (OperationClass.STORY, STORY),
        ):
            if count := sum(size.calls[name] for name in names):
                found[kind] = count
    return found or {OperationClass.READ: 1}
