"""Which limits an operation counts towards."""

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    OperationDefinitionNode,
    get_named_type,
    parse,
)

from api.graphql.classes import STORY, OperationClass, classes
from api.graphql.limits import AUTHENTICATION, Measure
from schema.schema import schema

MUTATIONS = schema._schema.mutation_type  # noqa: SLF001 - the schema itself

SECRETS = {"password", "currentPassword", "newPassword", "code", "proof", "credential", "ticket"}
"""Input fields by which somebody shows who they are, or guesses at it."""


def of(document: str) -> dict[OperationClass, int]:
    tree = parse(document)
    [operation] = [node for node in tree.definitions if isinstance(node, OperationDefinitionNode)]
    return dict(classes(operation, Measure(tree).operation(operation)))


def inputs_of(mutation: str) -> set[str]:
    assert isinstance(MUTATIONS, GraphQLObjectType)
    kinds = [get_named_type(arg.type) for arg in MUTATIONS.fields[mutation].args.values()]
    return {
        name for kind in kinds if isinstance(kind, GraphQLInputObjectType) for name in kind.fields
    }


def test_every_mutation_that_takes_a_secret_is_an_authentication() -> None:
    assert isinstance(MUTATIONS, GraphQLObjectType)
    taking = {name for name in MUTATIONS.fields if inputs_of(name) & SECRETS}

    assert taking <= AUTHENTICATION <= MUTATIONS.fields.keys()
    assert STORY.isdisjoint(AUTHENTICATION)
    assert STORY.issubset(MUTATIONS.fields)


@pytest.mark.parametrize(
    ("document", "counted"),
    [
        ("{ viewer { id } }", {OperationClass.READ: 1}),
        ("{ logIn }", {OperationClass.READ: 1}),
        ("subscription { viewerEvents { id } }", {OperationClass.READ: 1}),
        ("mutation { logOut { id } }", {OperationClass.READ: 1}),
        ("mutation { logIn { id } }", {OperationClass.AUTHENTICATION: 1}),
        ("mutation { a: requestStory { id } b: cancelStory { id } }", {OperationClass.STORY: 2}),
        (
            "mutation { ...F requestStory { id } } fragment F on Mutation { x: logIn { id } }",
            {OperationClass.AUTHENTICATION: 1, OperationClass.STORY: 1},
        ),
    ],
)
def test_operations_are_counted_by_their_fields(
    document: str, counted: dict[OperationClass, int]
) -> None:
    assert of(document) == counted
