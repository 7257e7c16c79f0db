"""Every place of the schema that takes text, and rubbish to put there.

The places are found by walking the schema, so that an operation that is added is held to this too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    get_named_type,
)
from hypothesis import strategies as st

from schema.schema import schema

CORE = schema._schema  # noqa: SLF001 - graphql-core's own, which can be walked
PASSWORD = "three quiet foxes at sea"
NUMBERS = frozenset({"Int", "Float", "Boolean"})
TEXTS: dict[str, object] = {
    "ID": "01a1fdef-4226-778c-81de-6764546cd9ad",
    "EmailAddress": "mira@readers.example",
    "LanguageTag": "en",
    "Cursor": "1-1",
    "DateTime": "2026-03-14T15:09:26Z",
    "JSON": {"id": "x"},
    "JsonObject": {"id": "x"},
}
"""What stands in the places that are not tried at the moment."""

RUBBISH = {
    "blank": " \t\u00a0\u2003\u200b\ufeff",
    "control": "a\x00b\x07\x1b[31m\x7f",
    "line breaks": "a\r\nBcc: all@readers.example\r\n\r\nb",
    "bidi": "\u202egnp.exe\u2066\u2069\u200f",
    "surrogate": "a\ud800b\udfff",
    "combining": "e" + "\u0301" * 500,
    "long": "x" * 100_000,
    "long and wide": "\U0001f98a" * 30_000,
    "markup": "<script>alert(1)</script>{{7*7}}${7*7}",
    "number": 10**30,
    "true": True,
    "list": [["a"], {}],
    "object": {"a": {"b": []}},
}

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A leaf of an operation's arguments that takes text."""

    document: str
    variables: dict[str, Any]
    path: Path
    name: str

    def filled(self, value: object) -> dict[str, Any]:
        """Return the variables with a value in this place."""
        filled: dict[str, Any] = _replaced(self.variables, self.path, value)
        return filled


def _replaced(whole: Any, path: Path, value: object) -> Any:  # noqa: ANN401 - JSON
    if not path:
        return value
    first, *rest = path
    copy: Any = dict(whole) if isinstance(whole, dict) else list(whole)
    copy[first] = _replaced(copy[first], tuple(rest), value)
    return copy


def _sample(kind: GraphQLInputType, name: str) -> object:
    """Return something that fits."""
    if isinstance(kind, GraphQLNonNull):
        return _sample(kind.of_type, name)
    if isinstance(kind, GraphQLList):
        return [_sample(kind.of_type, name)]
    if isinstance(kind, GraphQLInputObjectType):
        fields = list(kind.fields.items())
        if kind.extensions["strawberry-definition"].is_one_of:
            fields = fields[:1]
        return {field: _sample(about.type, field) for field, about in fields}
    return _leaf(kind, name)


def _leaf(kind: GraphQLInputType, name: str) -> object:
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    assert isinstance(kind, GraphQLScalarType)
    if "password" in name.lower():
        return f"{PASSWORD} and a whale" if name == "newPassword" else PASSWORD
    if kind.name == "Int":
        return {"words": 200, "chapters": 2, "first": 10}.get(name, 1)
    if kind.name == "Boolean":
        return True
    return TEXTS.get(kind.name, "+4915123456789" if "phone" in name else "a fox")


def _leaves(kind: GraphQLInputType, sample: Any, path: Path) -> Iterator[Path]:  # noqa: ANN401
    if isinstance(kind, GraphQLNonNull):
        yield from _leaves(kind.of_type, sample, path)
    elif isinstance(kind, GraphQLList):
        yield from _leaves(kind.of_type, sample[0], (*path, 0))
    elif isinstance(kind, GraphQLInputObjectType):
        for name in sample:
            yield from _leaves(kind.fields[name].type, sample[name], (*path, name))
    elif isinstance(kind, GraphQLScalarType) and kind.name not in NUMBERS:
        yield path


def _selection(field: GraphQLField) -> str:
    kind = get_named_type(field.type)
    if isinstance(kind, GraphQLUnionType):
        return "{ __typename ... on Refusal { code message path retryable retryAfter } }"
    return "" if isinstance(kind, GraphQLScalarType | GraphQLEnumType) else "{ __typename }"


def _places() -> Iterator[Place]:
    roots = (
        ("query", CORE.query_type),
        ("mutation", CORE.mutation_type),
        ("subscription", CORE.subscription_type),
    )
    for verb, root in roots:
        assert isinstance(root, GraphQLObjectType)
        for name, field in root.fields.items():
            yield from _places_of(verb, name, field, ("{ ", " }"))
    account = CORE.type_map["Account"]
    assert isinstance(account, GraphQLObjectType)
    for name, field in account.fields.items():
        yield from _places_of("query", name, field, ("{ viewer { ", " } }"))


def _places_of(
    verb: str, name: str, field: GraphQLField, around: tuple[str, str]
) -> Iterator[Place]:
    if not field.args:
        return
    variables = {key: _sample(about.type, key) for key, about in field.args.items()}
    declared = ", ".join(f"${key}: {about.type}" for key, about in field.args.items())
    given_ = ", ".join(f"{key}: ${key}" for key in field.args)
    before, after = around
    document = f"{verb} ({declared}) {before}{name}({given_}) {_selection(field)}{after}"
    for key, about in field.args.items():
        for path in _leaves(about.type, variables[key], (key,)):
            yield Place(document, variables, path, f"{name}:{'.'.join(map(str, path))}")


ALL = list(_places())
WATCHES = [place for place in ALL if place.document.startswith("subscription")]
PLACES = [place for place in ALL if place not in WATCHES]
"""Those of queries and mutations, which answer once."""

VALUES = st.text(st.characters(codec=None), max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
"""Whatever JSON can say, and more."""
