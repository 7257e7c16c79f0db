"""Rubbish in every place of the schema that takes text: an answer with a code, never a fault."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given
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
from tests.figures import Figures
from tests.integration.api.service import settings
from tests.rubbish import PASSWORD, PLACES, RUBBISH, VALUES, WATCHES, Place


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
    assert {place.name for place in WATCHES} == {
        "storyEvents:storyId",
        "storyEvents:after",
        "viewerEvents:after",
    }


async def test_known_rubbish_is_refused_in_every_place(counter: Counter) -> None:
    for place in PLACES:
        for value in RUBBISH.values():
            check(place, value, await counter.answer(place, value))


async def test_no_value_at_all_is_a_fault(counter: Counter, figures: Figures) -> None:
    loop, sent = asyncio.get_running_loop(), 0

    @examples(max_examples=figures.scale(100, 5_000), deadline=None, database=None)
    @given(place=st.sampled_from(PLACES), value=VALUES)
    def hold(place: Place, value: object) -> None:
        nonlocal sent
        sent += 1
        answer = asyncio.run_coroutine_threadsafe(counter.answer(place, value), loop)
        check(place, value, answer.result())

    await asyncio.to_thread(hold)
    figures.show("values that nobody thought of", f"{sent:,} operations, no fault")
