"""How large a document may be."""

import time

import pytest
from graphql import get_introspection_query, parse
from hypothesis import given
from hypothesis import strategies as st

from api.graphql.documents import Documents
from api.graphql.errors import Refused
from api.graphql.limits import AUTHENTICATION, Limits, excess
from tests.integration.api.playground import schema

LIMITS = Limits()
CORE = schema._schema  # noqa: SLF001 - as the engine takes it


def boxes(deep: int) -> str:
    """Return a query with so many levels."""
    return "{ box" + " { inner" * (deep - 2) + " { name" + " }" * deep


def code_of(document: str, **changes: bool) -> str:
    with pytest.raises(Refused) as refusal:
        Documents(CORE, LIMITS, **changes).read(document)
    assert len(refusal.value.errors) >= 1
    return refusal.value.code


ALLOWED = [
    boxes(8),
    "{ " + " ".join(f"a{n}: hello" for n in range(10)) + " }",
    "{ box { " + " ".join(f"a{n}: name" for n in range(15)) + " } }",
    "{ box { " + "name " * 20 + "} }",
    "{ box { " + "...on Box { name } " * 20 + "} }",
    "{ " + " ".join(f"a{n}: hello @include(if: true)" for n in range(10)) + " }",
    'mutation { logIn(name: "a") rename(name: "b") }',
]

EXCESSIVE = [
    (boxes(9), "8 levels"),
    ("{ box { " + " ".join(f"a{n}: name" for n in range(16)) + " } }", "15 aliases"),
    ("{ box { " + "name " * 21 + "} }", "20 repetitions"),
    ("{ box { " + "...F " * 21 + "} } fragment F on Box { name }", "20 repetitions"),
    ("{ " + " ".join(f"a{n}: hello" for n in range(11)) + " }", "10 root fields"),
    ("{ ...F } fragment F on Query { " + "hello " * 11 + "}", "10 root fields"),
    ("{ hello " + "@include(if: true) " * 26 + "}", "25 directives"),
    ("query " + "@nothing " * 26 + "{ hello }", "25 directives"),
    (
        "{ box { ...F } } fragment F on Box { inner { ...G } } "
        "fragment G on Box " + "{ inner " * 6 + "{ name }" + " }" * 6,
        "8 levels",
    ),
    ('mutation { logIn(name: "a") b: logIn(name: "b") }', "only once"),
    ('mutation { logIn(name: "a") signUp }', "only once"),
    ('mutation { ...F ...F } fragment F on Mutation { logIn(name: "a") }', "only once"),
    ('mutation A { logIn(name: "a") } mutation B { logIn(name: "b") }', "only once"),
]


@pytest.mark.parametrize("document", ALLOWED)
def test_what_is_allowed(document: str) -> None:
    assert excess(parse(document), LIMITS) is None


@pytest.mark.parametrize(("document", "limit"), EXCESSIVE)
def test_what_is_too_much(document: str, limit: str) -> None:
    assert limit in (excess(parse(document), LIMITS) or "")
    assert code_of(document) == "QUERY_TOO_COMPLEX"


def test_tokens_and_comments_are_counted_while_they_are_read() -> None:
    Documents(CORE, LIMITS).read("{ box { " + "...on Box { inner { name } } " * 20 + " } }")

    assert code_of("{ hello" + " hello" * 1_000 + " }") == "QUERY_TOO_COMPLEX"
    assert code_of("{ hello }" + "#\n" * 1_001) == "QUERY_TOO_COMPLEX"
    assert code_of("{a" * 300) == "QUERY_TOO_COMPLEX"


def test_every_authentication_mutation_counts() -> None:
    for name in AUTHENTICATION:
        assert excess(parse(f"mutation {{ {name} again: {name} }}"), LIMITS) is not None


def test_cycles_and_unknown_fragments_are_left_to_validation() -> None:
    for document in (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ ...A } fragment A on Query { ...A }",
        "{ ...Nobody }",
    ):
        assert excess(parse(document), LIMITS) is None
        assert code_of(document) == "VALIDATION_FAILED"


def test_a_fragment_bomb_is_counted_without_writing_it_out() -> None:
    bomb = " ".join(f"fragment F{n} on Box {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    began = time.perf_counter()

    reason = excess(parse(f"{{ box {{ ...F0 }} }} {bomb} fragment F60 on Box {{ name }}"), LIMITS)

    assert "repetitions" in (reason or "")
    assert time.perf_counter() - began < 1


@given(st.integers(1, 60))
def test_depth_is_that_of_the_deepest_field(deep: int) -> None:
    document = parse(boxes(deep + 2))

    assert excess(document, Limits(depth=deep + 2)) is None
    assert excess(document, Limits(depth=deep + 1)) is not None


STANDARD = get_introspection_query(
    descriptions=True,
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
)


def test_the_standard_introspection_passes_whole_where_it_is_on() -> None:
    assert Documents(CORE, LIMITS).read(STANDARD).operations
    assert code_of(STANDARD, introspection=False) == "VALIDATION_FAILED"
    assert code_of('{ __type(name: "Box") { name } }', introspection=False) == "VALIDATION_FAILED"
    assert Documents(CORE, LIMITS, introspection=False).read("{ __typename }")


def test_introspection_in_circles_is_refused() -> None:
    circles = "{ __schema { types " + "{ fields { type " * 4 + "{ name }" + " } }" * 4 + " } }"

    assert code_of(circles) == "VALIDATION_FAILED"


def test_a_document_is_read_once_and_the_oldest_is_forgotten() -> None:
    documents = Documents(CORE, LIMITS, capacity=2)
    first = documents.read("{ hello }")
    documents.read("{ box { name } }")

    assert documents.read("{ hello }") is first
    documents.read("{ first }")
    assert documents.read("{ hello }") is first
    assert len(documents) == 2


def test_what_is_not_valid_is_not_remembered() -> None:
    documents = Documents(CORE, LIMITS)
    for number in range(3):
        with pytest.raises(Refused):
            documents.read(f"{{ nothing{number} }}")

    assert len(documents) == 0


def test_many_errors_are_cut_short() -> None:
    with pytest.raises(Refused) as refusal:
        Documents(CORE, LIMITS).read("{ hello " + "@nothing " * 10 + "}")

    assert len(refusal.value.errors) == 6
