"""Redis is restarted and flushed while stories are being written and followed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

from redis.asyncio import Redis

from tests.clients.graphql import GraphQLApi
from tests.clients.person import Person
from tests.clients.reader import Reader
from tests.deployment import Deployment
from tests.figures import Figures
from tests.gemini_server import GeminiServer
from tests.servers import Server

WITHIN = 10
"""Seconds after which every socket must have gone on (docs/security.md)."""

Strike = Callable[[], Awaitable[None]]
REFRESH = """mutation ($token: String!) {
  refreshTokens(input: { refreshToken: $token }) { __typename
    ... on RefreshTokensSuccess { tokens { accessToken refreshToken } } } }"""


@dataclass
class Audience:
    """Readers, each of whom follows a story of their own."""

    person: Person
    readers: dict[str, Reader] = field(default_factory=dict)

    async def ask(self, stories: int) -> None:
        """Ask for so many stories."""
        for _ in range(stories):
            self.readers[await self.person.request(chapters=2)] = Reader()

    async def watch(self, strike: Strike) -> float:
        """Follow all to their ends; strike in the middle. Return the longest silence after it.

        Every second reader is not there when it happens, and comes back with their cursor.
        """
        struck = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number, (story_id, reader) in enumerate(self.readers.items()):
                if number % 2:
                    group.create_task(self._come_back(story_id, reader, struck))
                else:
                    group.create_task(self.person.keep_following(story_id, reader))
            async with asyncio.timeout(30):
                await self._until(lambda reader: "TextAppended" in reader.kinds)
            await strike()
            struck.set()
            began = monotonic()
            heard = {id(reader): len(reader.kinds) for reader in self.readers.values()}
            async with asyncio.timeout(3 * WITHIN):
                await self._until(lambda reader: len(reader.kinds) > heard[id(reader)])
            return monotonic() - began

    async def lost(self) -> int:
        """Count the stories that did not end, or whose reader has another text than the library."""
        stored = [(await self.person.stored(key), reader) for key, reader in self.readers.items()]
        return sum(
            (story["status"], reader.end, reader.text) != ("READY", "StoryReady", story["text"])
            for story, reader in stored
        )

    @property
    def gaps(self) -> int:
        """How many gaps the readers were told of; each was followed by a snapshot."""
        return sum(reader.kinds.count("StoryGap") for reader in self.readers.values())

    async def _come_back(self, story_id: str, reader: Reader, struck: asyncio.Event) -> None:
        await self.person.follow(story_id, reader, until="TextAppended")
        await struck.wait()
        await self.person.keep_following(story_id, reader)

    async def _until(self, holds: Callable[[Reader], bool]) -> None:
        while not all(reader.end or holds(reader) for reader in self.readers.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # readers tell nobody what they read


async def test_nothing_is_lost_when_redis_is_restarted_or_flushed_under_load(
    fragile_ada: Person,
    fragile: Deployment,
    gemini: GeminiServer,
    own_redis: Server,
    figures: Figures,
) -> None:
    gemini.pause = 0.2
    rounds, stories = figures.scale(1, 5), figures.scale(2, 8)

    async def restart() -> None:
        await own_redis.kill()
        await own_redis.start()

    async def flush() -> None:
        async with Redis.from_url(own_redis.url) as redis:
            await redis.flushall()

    slowest: dict[str, float] = {}
    gaps: dict[str, int] = {}
    for name, strike in rounds * [("restarted", restart), ("flushed", flush)]:
        audience = Audience(fragile_ada)
        await audience.ask(stories)
        silence = await audience.watch(strike)
        slowest[name] = max(slowest.get(name, 0), silence)
        gaps[name] = gaps.get(name, 0) + audience.gaps
        assert await audience.lost() == 0
    await _still_logged_in(fragile_ada, fragile)

    assert max(slowest.values()) < WITHIN
    assert gaps["flushed"] > 0, "a cursor that Redis forgot must be told of"
    for name, silence in slowest.items():
        figures.show(
            f"Redis {name} under load, {rounds} times {stories} stories",
            f"0 jobs lost, sessions survive, sockets go on within {silence:.1f} s, "
            f"{gaps[name]} gaps told",
        )


async def _still_logged_in(person: Person, deployment: Deployment) -> None:
    """Use the tokens of before; the session that they belong to must have survived."""
    async with GraphQLApi(f"{deployment.url}/graphql") as api:
        answer = await api.execute(REFRESH, {"token": person.refresh_token})
    assert answer["refreshTokens"]["__typename"] == "RefreshTokensSuccess"
    person.refresh_token = answer["refreshTokens"]["tokens"]["refreshToken"]
