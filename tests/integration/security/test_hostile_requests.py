"""Bombs and rubbish over real HTTP and WebSockets: never a 5xx, never a stack trace."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from domain.accounts import Account
from schema.nodes import STORY, global_id
from tests import bombs
from tests.factories import a_story
from tests.figures import Figures
from tests.integration.accounts.town import EMAIL, Client, Town, town
from tests.integration.api.service import GRAPHQL_WS
from tests.rubbish import PLACES, RUBBISH, VALUES, WATCHES, Place

UNLIMITED = {
    "rate_limit_burst": 1_000_000,
    "authentication_burst": 1_000_000,
    "story_burst": 1_000_000,
    "query_cost_per_minute": 1_000_000_000,
}
TRACES = ("Traceback", 'File "', "line ", ".py", "asyncpg", "sqlalchemy", "INTERNAL")
"""What only an answer with a fault of ours in it would say."""

FAULT = 1011
"""How a socket is closed where the server has failed (RFC 6455)."""


@dataclass
class Target:
    """A service under fire, an account in it, and what the service says of its own faults."""

    town: Town
    account: Account
    story_id: str
    faults: list[str] = field(default_factory=list)
    sent: int = 0

    async def signed_in(self) -> Client:
        """Start over, so that no limit hides a fault, and log in."""
        await self.town.container.redis.flushdb()
        async with self.town.container.database.begin() as work:
            account = await work.accounts.lock(self.account.id)
            assert account is not None
            account.email, account.password_hash = EMAIL, self.account.password_hash
        client = Client(self.town)
        assert "tokens" in await client.log_in()
        return client

    async def post(
        self, body: bytes, headers: dict[str, str], *, token: str | None = None
    ) -> dict[str, Any] | None:
        """Send a body; return the answer, which is no fault; None where it is no JSON."""
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        response = await self.town.http.post(
            f"{self.town.url}/graphql", content=body, headers=bearer | headers
        )
        assert response.status_code < 500, response.text
        self.check(response.text)
        if not response.headers["content-type"].startswith(("application/json", "application/gr")):
            return None
        answer: dict[str, Any] = response.json()
        return answer

    async def ask(self, document: str, variables: object, *, token: str | None) -> None:
        """Send an operation as it is."""
        body = json.dumps({"query": document, "variables": variables}).encode()
        await self.post(body, {"content-type": bombs.JSON}, token=token)

    @asynccontextmanager
    async def socket(self, token: str | None) -> AsyncIterator[ClientConnection]:
        """Open a socket that is ready for operations."""
        url = self.town.url.replace("http", "ws", 1)
        async with connect(
            f"{url}/graphql", subprotocols=[GRAPHQL_WS], compression=None, proxy=None
        ) as socket:
            await socket.send(
                json.dumps({"type": "connection_init", "payload": {"accessToken": token}})
            )
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            yield socket

    async def subscribe(self, document: str, variables: object, *, token: str | None) -> str:
        """Run an operation until its first answer, on a socket of its own; return what came."""
        payload = {"query": document, "variables": variables}
        async with asyncio.timeout(10), self.socket(token) as socket:
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            try:
                answer = await socket.recv()
            except ConnectionClosed:
                assert socket.close_code != FAULT, socket.close_reason
                self.check(socket.close_reason or "")
                return str(socket.close_code)
            self.check(str(answer))
            return str(json.loads(answer)["type"])

    def check(self, text: str) -> None:
        """Count an answer, in which there is nothing of our own insides."""
        self.sent += 1
        assert not [trace for trace in TRACES if trace in text], text[:2_000]
        assert not self.faults, self.faults


@pytest.fixture
async def target(postgres_url: str, redis_url: str) -> AsyncIterator[Target]:
    async with town(postgres_url, redis_url, **UNLIMITED) as running:
        account = await running.account()
        story = a_story(account.id, requested_at=running.container.clock.now())
        async with running.container.database.begin() as work:
            await work.stories.add(story)
        target = Target(running, account, global_id(STORY, story.id))
        logger.add(target.faults.append, level="ERROR", format="{message} {exception}")
        yield target
        assert not target.faults


async def test_bombs_are_refused(target: Target, figures: Figures) -> None:
    mira = await target.signed_in()
    for name, document in bombs.documents():
        body = json.dumps({"query": document}).encode()
        answer = await target.post(body, {"content-type": bombs.JSON}, token=mira.token)
        assert answer is not None, name
        if name in HARMLESS:
            assert answer["data"] == {"node": None}
        else:
            assert answer["errors"], name
        told = await target.subscribe(document, None, token=mira.token)
        assert told in ({"next", *REFUSED} if "data" in answer else REFUSED), name
    for _, body, headers in bombs.bodies():
        await target.post(body, headers)
    assert await mira.email() == EMAIL
    figures.show("bombs of depth, aliases, tokens and bodies", f"{target.sent} sent, no 5xx")


HARMLESS = {"a text of 60,000 letters", "a number of 60,000 digits"}
"""These are ids of nothing."""

REFUSED = {"error", "1009", "4400"}
"""An error frame, a message that is too large, or one that is no message of the protocol."""


async def test_rubbish_in_every_place_is_no_fault_over_http(
    target: Target, figures: Figures
) -> None:
    values = list(RUBBISH.values())
    for number, place in enumerate(PLACES):
        if not figures.full and number % 3:
            continue  # the suite has been there, without the edge
        chosen = values if figures.full else [values[number % len(values)]]
        for value in chosen:
            mira = await target.signed_in()
            await target.ask(place.document, place.filled(value), token=mira.token)
    figures.show("rubbish in every place of the schema, over HTTP", _sent(target))


async def test_rubbish_in_subscriptions_is_no_fault(target: Target, figures: Figures) -> None:
    mira = await target.signed_in()

    async def watch(place: Place, value: object) -> None:
        variables = place.filled(value)
        if "storyId" in variables and place.path != ("storyId",):
            variables["storyId"] = target.story_id
        told = await target.subscribe(place.document, variables, token=mira.token)
        assert told in {"next", *REFUSED}

    for place in WATCHES:
        for value in RUBBISH.values():
            await watch(place, value)

    loop = asyncio.get_running_loop()

    @settings(max_examples=figures.scale(30, 1_000), deadline=None, database=None)
    @given(place=st.sampled_from(WATCHES), value=VALUES)
    def hold(place: Place, value: object) -> None:
        asyncio.run_coroutine_threadsafe(watch(place, value), loop).result()

    await asyncio.to_thread(hold)
    figures.show("rubbish in subscriptions, over WebSockets", _sent(target))


async def test_documents_that_were_torn_apart_are_no_fault(
    target: Target, figures: Figures
) -> None:
    mira, loop = await target.signed_in(), asyncio.get_running_loop()
    whole = sorted({place.document for place in (*PLACES, *WATCHES)})
    scraps = st.sampled_from([*'{}()[]:$!@&|"#\\', "...", '"""', " on ", "null", "1e9", "\ufeff"])
    cut = st.tuples(st.integers(0, 400), st.integers(0, 40), scraps | st.text(max_size=5))

    @settings(max_examples=figures.scale(100, 5_000), deadline=None, database=None)
    @given(document=st.sampled_from(whole), cuts=st.lists(cut, min_size=1, max_size=4))
    def hold(document: str, cuts: list[tuple[int, int, str]]) -> None:
        for at, length, scrap in cuts:
            document = document[:at] + scrap + document[at + length :]
        asked = target.ask(document, {"input": {}, "id": "x"}, token=mira.token)
        asyncio.run_coroutine_threadsafe(asked, loop).result()

    await asyncio.to_thread(hold)
    figures.show("documents torn apart, over HTTP", _sent(target))


def _sent(target: Target) -> str:
    return f"{target.sent:,} sent, no 5xx, no stack trace"
