"""PostgreSQL goes away under a running API, and comes back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import pytest

from schema.nodes import STORY as STORY_ID
from schema.nodes import key_of
from schema.schema import schema
from tests.figures import Figures
from tests.integration.accounts.town import PASSWORD, REFUSAL, Client, Town, town
from tests.servers import Server

STORY = f"""mutation ($key: String!) {{ requestStory(input: {{idempotencyKey: $key}}) {{ __typename
  ... on RequestStorySuccess {{ story {{ id }} }} {REFUSAL} }} }}"""
LOG_IN = f"""mutation ($email: EmailAddress!, $password: String!) {{
  logIn(input: {{email: $email, password: $password}}) {{ __typename {REFUSAL} }} }}"""
Outcome = tuple[str, bool, int | None] | str
OUTAGE: Outcome = ("UPSTREAM_UNAVAILABLE", True, 5)
WITHIN = 10
"""Seconds after which everything is well again (the figure of the security page)."""


@pytest.fixture
async def fragile_town(own_postgres: Server, redis_url: str) -> AsyncIterator[Town]:
    """Return a running service whose PostgreSQL the test may kill."""
    plenty = dict.fromkeys(
        (
            *("rate_limit_burst", "rate_limit_per_minute", "query_cost_per_minute"),
            *("authentication_burst", "authentication_per_minute", "story_burst"),
            *("stories_per_month", "stories_per_day", "stories_at_once", "story_per_minute"),
        ),
        1_000_000,
    )
    async with town(own_postgres.url, redis_url, **plenty) as running:
        yield running


@dataclass
class Crowd:
    """People who go on asking, whatever they are answered."""

    client: Client
    answers: Counter[Outcome] = field(default_factory=Counter)
    stories: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._go_on(ask))
                for ask in (self.read, self.write, self.enter, self.read)
            ]
            yield
            for task in tasks:
                task.cancel()

    async def _go_on(self, ask: Any) -> None:  # noqa: ANN401 - one of the methods below
        while True:
            self._note(await ask())

    async def read(self) -> dict[str, Any]:
        return await self.client.run("{ viewer { email sessions { id } } }")

    async def write(self) -> dict[str, Any]:
        # Of a story whose answer is lost nobody knows: so each is asked for under a key of its own.
        answer = await self.client.run(STORY, key=f"story-{sum(self.answers.values()):08}")
        if payload := (answer.get("data") or {}).get("requestStory"):
            self.stories += [payload["story"]["id"]] if "story" in payload else []
        return answer

    async def enter(self) -> dict[str, Any]:
        return await self.client.run(LOG_IN, email="mira@readers.example", password=PASSWORD)

    def _note(self, answer: dict[str, Any]) -> set[Outcome]:
        """Count a success, or a refusal whether it is data or an error."""
        told = [error["extensions"] for error in answer.get("errors", ())]
        told += [part for part in (answer.get("data") or {}).values() if part and "code" in part]
        outcomes: list[Outcome] = [
            (each["code"], each["retryable"], each.get("retryAfter")) for each in told
        ]
        self.answers.update(outcomes or ["done"])
        return set(outcomes or ["done"])

    async def until(self, outcome: Outcome) -> float:
        """Ask everything until all is answered so; return the seconds it took."""
        began = monotonic()
        async with asyncio.timeout(3 * WITHIN):
            while True:
                answers = [self._note(await ask()) for ask in (self.read, self.write, self.enter)]
                if set.union(*answers) == {outcome}:
                    return monotonic() - began


async def test_while_postgresql_is_away_everybody_is_told_to_try_again(
    fragile_town: Town, own_postgres: Server, figures: Figures
) -> None:
    await fragile_town.account()
    mira = Client(fragile_town)
    await mira.log_in()
    crowd, slowest, times = Crowd(mira), 0.0, figures.scale(2, 20)
    for number in range(times):
        async with crowd.asking():
            await crowd.until("done")
            # In order: sessions are told. By a power cut: nobody is.
            await (own_postgres.stop() if number % 2 else own_postgres.kill())
            await crowd.until(OUTAGE)
            ready = await fragile_town.http.get(f"{fragile_town.url}/health/ready")
            assert (ready.status_code, ready.json()["checks"]["postgresql"]) == (503, "unavailable")
            await own_postgres.start()
            slowest = max(slowest, await crowd.until("done"))
    ready = await fragile_town.http.get(f"{fragile_town.url}/health/ready")
    assert ready.json()["checks"]["postgresql"] == "ok"

    assert set(crowd.answers) == {"done", OUTAGE}
    assert slowest <= WITHIN
    async with fragile_town.container.engine.connect() as connection:
        kept = {str(key) for (key,) in await connection.exec_driver_sql("SELECT id FROM stories")}
    assert crowd.stories
    assert {str(key_of(STORY_ID, story, path=())) for story in crowd.stories} <= kept
    figures.show(
        f"PostgreSQL stopped or killed {times} times under {sum(crowd.answers.values())} requests",
        f"0 INTERNAL, 0 of {len(crowd.stories)} stories lost, well after {slowest:.1f} s at most",
    )


def test_every_mutation_can_say_that_something_is_away() -> None:
    mutations = schema._schema.mutation_type  # noqa: SLF001 - Strawberry offers no other way in
    assert mutations is not None
    unable = [
        name
        for name, about in mutations.fields.items()
        if "UpstreamUnavailable" not in {kind.name for kind in about.type.of_type.types}
    ]
    assert unable == []
