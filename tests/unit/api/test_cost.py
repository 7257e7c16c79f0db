"""What operations cost."""

from typing import Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    get_introspection_query,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from api.graphql.cost import Costs
from api.graphql.documents import Documents
from api.graphql.limits import Limits
from schema.schema import schema
from tests.documents import recipe

SCHEMA = build_schema("""
    type Query { me: Person  people(first: Int = 20): People!  node(id: ID): Named
                 nodes(ids: [ID!]!): [Named]! }
    type Mutation { rename(name: String): Person  erase: Int }
    type Subscription { news: Person }
    interface Named { name: String }
    type Person implements Named { name: String  age: Int  friends: [Person!]!
                                   circle(first: Int!): People!  tags: [String!]! }
    type People { edges: [Edge!]!  nodes: [Person!]!  info: Info!  total: Int }
    type Edge { node: Person  cursor: String }
    type Info { more: Boolean }
""")


def cost(document: str, variables: dict[str, Any] | None = None) -> int:
    tree = parse(document)
    return Costs(SCHEMA, tree).operation(tree.definitions[0]).asked(variables or {})  # type: ignore[arg-type]


PRICES = [
    ("{ me { name } }", 2 + 1.5),
    ("{ me { name age } }", 2 + 3),
    ("{ a: me { name } b: me { name } }", 2 * (2 + 1.5)),
    ("{ __typename }", 1),
    ("{ me { tags } }", 2 + 1.5),
    # a plain list is taken for ten entries
    ("{ me { friends { name } } }", 2 + 1.5 * 10 * 3.5),
    # a connection's lists have `first` entries, what stands beside them does not
    ("{ people(first: 50) { total } }", 2 + 1.5),
    ("{ people(first: 50) { nodes { name } info { more } } }", 2 + 1.5 * (50 * 3.5 + 3.5)),
    ("{ people { nodes { name } } }", 2 + 1.5 * 20 * 3.5),
    ("{ people(first: 1) { nodes { name } } }", 2 + 1.5 * 3.5),
    ("{ people(first: 50) { edges { node { name } } } }", 2 + 1.5 * 50 * (2 + 1.5 * 3.5)),
    # pages in pages
    (
        "{ people(first: 5) { nodes { circle(first: 4) { nodes { name } } } } }",
        2 + 1.5 * 5 * (2 + 1.5 * (2 + 1.5 * 4 * 3.5)),
    ),
    # sizes that are refused later cost no less than nothing, and no more than the most
    ("{ people(first: -9) { nodes { name } } }", 2 + 1.5 * 3.5),
    ("{ people(first: 99999999999999) { nodes { name } } }", 2 + 1.5 * 100 * 3.5),
    ("{ people(first: null) { nodes { name } } }", 2 + 1.5 * 20 * 3.5),
    ('{ nodes(ids: ["a", "b", "c"]) { name } }', 3 * 3.5),
    ("{ nodes(ids: []) { name } }", 3.5),
    # fragments are written out, with the page that they stand in
    ("{ me { ...F ...F } } fragment F on Person { age }", 2 + 3),
    ("{ me { ... { age } } }", 2 + 1.5),
    ("{ node { ... on Person { age } name } }", 2 + 3),
    (
        "{ people(first: 7) { ...P } } fragment P on People { nodes { name } }",
        2 + 1.5 * 7 * 3.5,
    ),
    (
        """{ a: people(first: 7) { ...P } b: people(first: 3) { ...P } }
           fragment P on People { nodes { name } }""",
        4 + 1.5 * 10 * 3.5,
    ),
    # mutations
    ("mutation { rename { name } }", 10 + 1.5),
    ("mutation { a: rename { name } b: rename { name } }", 2 * (10 + 1.5)),
    ("mutation { ...M } fragment M on Mutation { rename { name } }", 10 + 1.5),
    ("mutation { erase }", 10),
    ("subscription { news { name } }", 2 + 1.5),
    # introspection
    ("{ __schema { types { name } } }", 100),
    ('{ __type(name: "Person") { name } me { name } }', 100 + 3.5),
]


@pytest.mark.parametrize(("document", "price"), PRICES)
def test_prices(document: str, price: float) -> None:
    assert cost(document) == -int(-price // 1)


@pytest.mark.parametrize(
    ("variables", "entries"),
    [
        ({"n": 50}, 50),
        ({}, 20),
        ({"n": None}, 20),
        ({"n": 0}, 1),
        ({"n": -5}, 1),
        ({"n": 10**30}, 100),
        ({"n": "many"}, 1),
        ({"n": True}, 1),
        ({"n": 2.5}, 1),
        ({"n": {}}, 1),
    ],
)
def test_a_page_is_as_long_as_its_variable_says(variables: dict[str, Any], entries: int) -> None:
    for document in (
        "query ($n: Int) { people(first: $n) { nodes { name } } }",
        "query ($n: Int) { people(first: $n) { ...P } } fragment P on People { nodes { name } }",
    ):
        assert cost(document, variables) == cost(
            f"{{ people(first: {entries}) {{ nodes {{ name }} }} }}"
        )


def test_variables_have_defaults_and_lists_have_lengths() -> None:
    paged = "query ($n: Int = 3) { people(first: $n) { nodes { name } } }"
    listed = "query ($ids: [ID!]!) { nodes(ids: $ids) { name } }"

    assert cost(paged) == cost("{ people(first: 3) { nodes { name } } }")
    assert cost(paged, {"n": 4}) == cost("{ people(first: 4) { nodes { name } } }")
    assert cost(listed, {"ids": ["a"] * 8}) == 8 * 3.5


def test_pages_in_pages_multiply_their_variables() -> None:
    nested = (
        "query ($a: Int!, $b: Int!) "
        "{ people(first: $a) { nodes { circle(first: $b) { nodes { name } } } } }"
    )

    assert cost(nested, {"a": 5, "b": 4}) == cost(
        "{ people(first: 5) { nodes { circle(first: 4) { nodes { name } } } } }"
    )


# --- for all documents --------------------------------------------------------------------------

REAL = schema._schema  # noqa: SLF001 - as the engine takes it


@st.composite
def selections(draw: st.DrawFn, kind: Any, depth: int) -> list[Any]:  # noqa: ANN401
    """Draw fields of a type, each a name, arguments and what is selected below it."""
    if is_abstract_type(kind):
        kind = draw(st.sampled_from(REAL.get_possible_types(kind)))
        return [(f"... on {kind.name}", "", draw(selections(kind, depth)))]
    assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
    chosen: list[Any] = []
    for name in draw(st.lists(st.sampled_from(sorted(kind.fields)), min_size=1, max_size=3)):
        field = kind.fields[name]
        if any(is_required_argument(argument) for argument in field.args.values()):
            continue
        pages = f"(first: {draw(st.integers(-5, 200))})" if "first" in field.args else ""
        named = get_named_type(field.type)
        if is_leaf_type(named):
            chosen.append((name, pages, []))
        elif depth > 0:
            chosen.append((name, pages, draw(selections(named, depth - 1))))
    return chosen or [("__typename", "", [])]


def written(fields: list[Any]) -> str:
    return " ".join(
        f"{name}{arguments}" + (f" {{ {written(below)} }}" if below else "")
        for name, arguments, below in fields
    )


def without_one(fields: list[Any]) -> list[list[Any]]:
    """Return every selection that has one field, or one page, less."""
    smaller = []
    for place, (name, arguments, below) in enumerate(fields):
        rest = fields[:place], fields[place + 1 :]
        if len(fields) > 1:
            smaller.append([*rest[0], *rest[1]])
        if arguments:
            smaller.append([*rest[0], (name, "(first: 1)", below), *rest[1]])
        smaller += [[*rest[0], (name, arguments, less), *rest[1]] for less in without_one(below)]
    return smaller


def real_cost(fields: list[Any]) -> int:
    tree = parse(f"{{ {written(fields)} }}")
    return Costs(REAL, tree).operation(tree.definitions[0]).asked({})  # type: ignore[arg-type]


@given(selections(REAL.query_type, 4))
def test_more_fields_never_cost_less_and_nothing_costs_less_than_nothing(fields: list[Any]) -> None:
    whole = real_cost(fields)

    assert whole > 0
    for smaller in without_one(fields):
        assert 0 < real_cost(smaller) <= whole


# --- what must pass -----------------------------------------------------------------------------


def test_all_that_we_publish_is_far_below_the_ceiling() -> None:
    documents = Documents(REAL, Limits())

    dearest = max(
        price.asked({})
        for text in recipe().values()
        for price in documents.read(text).prices.values()
    )
    assert 10 < dearest < 5_000


def test_the_standard_introspection_is_cheap() -> None:
    price = Documents(REAL, Limits()).read(get_introspection_query()).prices["IntrospectionQuery"]

    assert price.asked({}) == 100
