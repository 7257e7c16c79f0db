"""Rubbish in every place of the schema that takes text: an answer with a code, never a fault.

The places are found by walking the schema, so that an operation that is added is held to this too.
"""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
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
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import SecretStr

from api.graphql.errors import Refused
from api.graphql.execution import Answer, Engine
from api.graphql.limits import Limits
from api.graphql.requests import GraphQLRequest
from bootstrap.container import Container, open_container
from domain.sessions import AccessClaims
from schema.context import Client, Context
from schema.schema import schema
from tests.factories import a_session, an_account
from tests.integration.api.service import settings

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
    roots = (("query", CORE.query_type), ("mutation", CORE.mutation_type))
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


PLACES = list(_places())


@dataclass(frozen=True, slots=True)
class Counter:
    """The engine on real servers, and somebody who is logged in."""

    engine: Engine
    container: Container
    claims: AccessClaims
    password_hash: str

    async def answer(self, place: Place, value: object) -> Answer | Refused:
        """Run the place's operation with the value in it."""
        request = GraphQLRequest(place.document, variables=place.filled(value))
        if "password" in str(place.variables).lower():
            await self._start_over()
        try:
            operation = self.engine.prepare(request)
        except Refused as refused:
            return refused
        return await self.engine.run(operation, self._context)

    async def _start_over(self) -> None:
        """Forget what the operation before has counted or changed: no limit hides a fault."""
        await self.container.redis.flushdb()
        async with self.container.database.begin() as work:
            account = await work.accounts.lock(self.claims.account_id)
            assert account is not None
            account.password_hash = self.password_hash

    def _context(self) -> Context:
        return Context(
            use_cases=self.container.use_cases,
            reads=self.container.reads,
            client=Client("203.0.113.7", "Firefox"),
            request_id="request",
            claims=self.claims,
        )


@pytest.fixture
async def counter(postgres_url: str, redis_url: str) -> AsyncIterator[Counter]:
    def key(name: str) -> SecretStr:
        return SecretStr(urlsafe_b64encode(sha256(name.encode()).digest()).decode())

    chosen = settings(
        database_url=postgres_url,
        redis_url=redis_url,
        token_signing_key=key("tokens"),
        code_pepper=key("codes"),
        argon2_memory_kib=8,
        argon2_time_cost=1,
    )
    async with open_container(chosen, part="api") as container:
        now = container.clock.now()
        passwords = container.use_cases.log_in.passwords
        account = an_account(
            email="mira@readers.example", password_hash=await passwords.hash(PASSWORD)
        ).activate(now)
        session = a_session(
            account.id, created_at=now, last_used_at=now, expires_at=now + timedelta(days=90)
        )
        async with container.database.begin() as work:
            await work.accounts.add(account)
            await work.sessions.add(session)
        claims = AccessClaims(
            account_id=account.id, session_id=session.id, expires_at=now + timedelta(minutes=15)
        )
        engine = Engine(schema, Limits(), suggestions=False)
        yield Counter(engine, container, claims, account.password_hash)


def check(place: Place, value: object, answer: Answer | Refused) -> None:
    """Every refusal has its code and its place; none is a fault of ours, or repeats the value."""
    errors = answer.errors
    for error in errors:
        code = error["extensions"]["code"]
        assert code != "INTERNAL", (place.name, ascii(value)[:80], error)
        assert error["message"]
        assert len(error["message"]) < 1000
        if isinstance(answer, Answer) and answer.began:
            assert error.get("path") or error.get("locations"), (place.name, error)
    if isinstance(answer, Refused):
        assert errors
        return
    for payload in (answer.data or {}).values():
        if not isinstance(payload, dict) or "code" not in payload:
            continue
        assert payload["code"] != "INTERNAL"
        assert payload["message"]
        if payload["code"] == "VALIDATION_FAILED":
            assert payload["path"], (place.name, payload)
        assert len(str(payload)) < 1000


def test_every_operation_that_takes_text_is_tried() -> None:
    tried = {place.document for place in PLACES}
    assert len(tried) > 30
    assert len(PLACES) > 60


async def test_known_rubbish_is_refused_in_every_place(counter: Counter) -> None:
    for place in PLACES:
        for value in RUBBISH.values():
            check(place, value, await counter.answer(place, value))


@examples(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    place=st.sampled_from(PLACES),
    value=st.text(st.characters(codec=None), max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    ),
)
async def test_no_value_at_all_is_a_fault(counter: Counter, place: Place, value: object) -> None:
    check(place, value, await counter.answer(place, value))
