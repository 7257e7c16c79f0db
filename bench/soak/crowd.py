"""People who ask for stories again and again, watch them, and take no outage for an answer."""

# ruff: noqa: ANN401 - answers are JSON

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

import httpx2

from bench.soak.library import LibraryReader
from bench.soak.order import story_goes_on
from bench.soak.tally import FAULT, Tally, Wish
from tests.clients.graphql import GraphQLApi, GraphQLErrors, SocketClosed
from tests.clients.person import STORED_STORY, code_in
from tests.clients.streams import server_sent
from tests.documents import recipe
from tests.smtp_server import SmtpServer

CANARY = "candlewhistle"
"""A word of every address, password and wish: it may be in no log."""

SILENCE_SECONDS = 15
"""After so long without an event a follower comes back with its cursor."""

LIBRARY_SECONDS = 30
"""The same for who follows all stories: the service looks after 20 s what a silence means."""

LIBRARY_SHARE = 0.5
"""How many people follow all of their stories, beside each."""

PASSING = frozenset({"UPSTREAM_UNAVAILABLE", "RATE_LIMITED", "TIMEOUT", FAULT})
STRANGER = frozenset({"UNAUTHENTICATED", "TOKEN_EXPIRED", "SESSION_ENDED"})
"""Refusals of an access token: it is time to log in again."""

FORBIDDEN = 4403
"""How a socket is closed whose access token is not good, or not any more."""

FAULT_CLOSES = "Internal error"
"""How the reason begins with which a socket is closed for a fault in the service."""

WAYS = {"socket": 9, "stream": 4, "cancel": 3, "poll": 3, "leave": 2}
"""How stories are watched, and how often."""

EVENTS = recipe()["StoryEvents"]
VIEWER_EVENTS = """subscription ViewerEvents($after: Cursor) { viewerEvents(after: $after) {
  __typename cursor occurredAt
  ... on LibrarySnapshot { stories { storyId } } ... on StoryEvent { storyId } } }"""
STATUS_ENDS = frozenset({"READY", "FAILED", "BLOCKED", "CANCELED"})
REFUSAL = "... on Refusal { code message }"
TOKENS = "tokens { accessToken refreshToken }"

Events = AsyncGenerator[dict[str, Any], None]
Follow = Callable[[str, Mapping[str, Any]], Events]
"""Yields the events of a subscription, given its document and variables."""


@dataclass
class Guest:
    """Somebody with an account."""

    number: int
    apis: Sequence[GraphQLApi]
    urls: Sequence[str]
    mail: SmtpServer
    tally: Tally
    chance: random.Random
    token: str = ""
    refresh_token: str = ""
    library: LibraryReader | None = field(default=None, init=False)
    """What is known to who follows all of their stories too."""

    _asked: int = field(default=0)

    def __post_init__(self) -> None:
        """Decide who does."""
        if self.chance.random() < LIBRARY_SHARE:
            self.library = LibraryReader()
            self.tally.libraries.append(self.library)

    @property
    def address(self) -> str:
        """Where mails go."""
        return f"{CANARY}.{self.number}@readers.example"

    async def sign_up(self) -> None:
        """Open an account with the code that was mailed, and log in."""
        account = {
            "email": self.address,
            "password": self._password,
            "displayName": f"Guest {CANARY}",
        }
        signed_up = await self._ask("signUp", "challenge { id }", **account)
        code = code_in((await self.mail.mail_to(self.address, within=60)).text)
        self.tally.secrets.add(code)
        challenge = signed_up["challenge"]["id"]
        await self._ask("verifyOtp", "account { id }", challengeId=challenge, code=code)
        await self._log_in()

    async def ask_for_stories(self, over: asyncio.Event) -> None:
        """Ask for one after the other until it is over; the last one is watched to its end."""
        while not over.is_set():
            about = "asking"
            try:
                if wish := await self._request(over):
                    about = f"{wish.way} {wish.row}"
                    await self._watch(wish)
                    about = "tokens"
                    await self._mind_the_session()
            except AssertionError as error:
                self.tally.broken.append(f"{about}: {error}")
            await asyncio.sleep(self.chance.uniform(0, 1.5))  # they think of the next one

    async def follow_library(self, library: LibraryReader) -> None:
        """Follow all stories until cancelled, and come back by cursor."""
        while True:
            after, follow = library.come_back(), self.chance.choice((self._socket, self._stream))
            events = follow(VIEWER_EVENTS, {"after": after}, LIBRARY_SECONDS)
            try:
                await self._attend("viewerEvents", events, partial(self._read_library, library))
            except AssertionError as error:
                self.tally.broken.append(f"the library of {self.number}: {error}")
                library.cursor = None  # and begins anew: one breach must not be told as many
            self.tally.count("reconnects to libraries")
            await self._pause()

    @property
    def _password(self) -> str:
        return f"{CANARY} number {self.number} burns low"

    async def _request(self, over: asyncio.Event) -> Wish | None:
        """Ask until it is answered; None where it is over before."""
        self._asked += 1
        [way] = self.chance.choices(list(WAYS), list(WAYS.values()))
        wish = Wish(f"{self.number}-{self._asked}", way, self.tally.now(), library=self.library)
        wishes = {
            "idea": f"a {CANARY} and its shadow",
            "chapters": self.chance.randint(1, 4),
            "idempotencyKey": wish.key,
            "mailWhenReady": self.chance.random() < 0.5,
        }
        while not over.is_set():
            answer = await self._try("requestStory", "story { id }", wishes)
            if answer is not None:
                wish.story_id, wish.answered_at = answer["story"]["id"], self.tally.now()
                self.tally.wishes.append(wish)
                return wish
        return None

    async def _watch(self, wish: Wish) -> None:
        match wish.way:
            case "poll":
                await self._poll(wish)
            case "stream":
                await self._follow(wish, self._stream)
            case "socket" | "cancel":
                await self._follow(wish, self._socket)

    async def _poll(self, wish: Wish) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(0.5, 1.5))  # as often as clients poll
            self.tally.count("polls")
            answer = await self._execute("story", STORED_STORY, {"id": wish.story_id})
            if answer is None:
                continue
            story = answer["story"]
            assert story is not None, "its owner finds it no more"
            if story["status"] in STATUS_ENDS:
                if story["status"] == "READY":
                    told = sha256(story["text"].encode()).hexdigest()
                    assert told == story["sha256"], "the text that was polled is another"
                    wish.polled_text = story["text"]
                return

    async def _follow(self, wish: Wish, follow: Follow) -> None:
        """Watch until the end, and come back whenever the connection breaks."""
        reader = wish.reader
        while reader.end is None:
            if reader.kinds and reader.kinds[-1] == "StoryGap":
                reader.cursor = None  # it broke between the gap and its snapshot
            events = follow(EVENTS, {"storyId": wish.story_id, "after": reader.cursor})
            complete = await self._attend("storyEvents", events, partial(self._read, wish))
            if reader.end is None:
                self.tally.count("streams that ended early", complete)
                self.tally.count("reconnects")
                await self._pause()

    async def _attend(
        self, operation: str, events: Events, read: Callable[[Mapping[str, Any]], Awaitable[None]]
    ) -> bool:
        """Take in what comes until it breaks in whatever way; tell whether it ended in order."""
        token = self.token
        try:
            async with aclosing(events) as told:
                async for event in told:
                    await read(event)
        except SocketClosed as closed:
            reason = f" {closed.reason.partition(':')[0]}" if closed.code == FORBIDDEN else ""
            self.tally.count(f"sockets closed with {closed.code}{reason}")
            if closed.reason.startswith(FAULT_CLOSES):
                self.tally.broken.append(f"{operation} was closed: {closed}")
            if closed.code == FORBIDDEN:
                await self._renew(token)
        except (httpx2.TransportError, json.JSONDecodeError):
            self.tally.count("streams broken")
        except TimeoutError:
            self.tally.count("sockets given up for their silence")
        except GraphQLErrors as errors:
            await self._heed(operation, errors.codes, token)
        else:
            return True
        return False

    async def _socket(
        self, document: str, variables: Mapping[str, Any], within: float = SILENCE_SECONDS
    ) -> Events:
        async with self._api.subscribe(
            document, variables, token=self.token, within=within
        ) as events:
            async for data in events:
                [event] = data.values()
                yield event

    async def _stream(
        self, document: str, variables: Mapping[str, Any], within: float = SILENCE_SECONDS
    ) -> Events:
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {self.token}"}
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=within) as client,
            client.stream(
                "POST",
                self.chance.choice(self.urls),
                json={"query": document, "variables": variables},
                headers=headers,
            ) as response,
        ):
            if not response.headers["content-type"].startswith("text/event-stream"):
                raise GraphQLErrors(json.loads(await response.aread())["errors"])
            async for message in server_sent(response):
                if message.kind == "next":
                    if errors := message.body.get("errors"):
                        raise GraphQLErrors(errors)
                    [event] = message.body["data"].values()
                    yield event

    async def _read(self, wish: Wish, event: Mapping[str, Any]) -> None:
        reader = wish.reader
        story_goes_on(reader.cursor, reader.kinds[-1] if reader.kinds else None, event)
        reader.read(event)
        kind = reader.kinds[-1]
        self.tally.count("events")
        if kind == "StoryGap":
            self.tally.count("gaps told")
        elif kind == "TextAppended":
            self.tally.progress.append(self.tally.now())
        wish.first_event_at = wish.first_event_at or self.tally.now()
        if wish.way == "cancel" and kind == "TextAppended" and not wish.canceled:
            answer = await self._try("cancelStory", "", {"storyId": wish.story_id})
            wish.canceled = answer is not None and answer["__typename"] == "CancelStorySuccess"

    async def _read_library(self, library: LibraryReader, event: Mapping[str, Any]) -> None:
        library.read(event, self.tally.now())
        self.tally.count("events of libraries")
        if library.kind == "LibraryGap":
            self.tally.count("gaps told of libraries")
        elif library.kind == "LibrarySnapshot":
            self.tally.count("libraries shown")

    async def _mind_the_session(self) -> None:
        """Now and then trade the tokens, or log out and in again."""
        dice = self.chance.random()
        if dice < 0.05:
            await self._try("logOut", "", {})
            await self._log_in()
        elif dice < 0.25:
            self.tally.count("refreshes")
            await self._refresh()

    async def _refresh(self) -> None:
        given = {"refreshToken": self.refresh_token}
        while (answer := await self._try("refreshTokens", TOKENS, given, stranger=True)) is None:
            pass
        if "tokens" in answer:
            self._keep(answer)
        else:
            self.tally.count(f"refreshes refused: {answer['code']}")
            await self._log_in()

    async def _renew(self, token: str) -> None:
        """Log in, unless that was done meanwhile: whatever one does at once shares the token."""
        if token == self.token:
            await self._log_in()

    async def _log_in(self) -> None:
        self.tally.count("log-ins")
        given = {"email": self.address, "password": self._password}
        self._keep(await self._ask("logIn", TOKENS, **given))

    def _keep(self, answer: Mapping[str, Any]) -> None:
        self.token = answer["tokens"]["accessToken"]
        self.refresh_token = answer["tokens"]["refreshToken"]
        self.tally.secrets |= {self.token, self.refresh_token}

    async def _ask(self, mutation: str, success: str, **given: Any) -> dict[str, Any]:
        """Say it, as a stranger, until it succeeds."""
        while True:
            answer = await self._try(mutation, success, given, stranger=True)
            if answer is not None and answer["__typename"].endswith("Success"):
                return answer
            if answer is not None:
                self.tally.count(f"{mutation} refused: {answer['code']}")
                await asyncio.sleep(1)  # people do not try again at once

    async def _try(
        self, mutation: str, success: str, given: Mapping[str, Any], *, stranger: bool = False
    ) -> dict[str, Any] | None:
        """Say it once. None where it has to be said again."""
        name = mutation[0].upper() + mutation[1:]
        spread = f"... on {name}Success {{ {success} }}" if success else ""
        document = (
            f"mutation ($input: {name}Input!) {{ {mutation}(input: $input)"
            f" {{ __typename {spread} {REFUSAL} }} }}"
        )
        token = self.token
        data = await self._execute(mutation, document, {"input": given}, stranger=stranger)
        if data is None:
            return None
        answer: dict[str, Any] = data[mutation]
        code = answer.get("code")
        if code in PASSING or (code in STRANGER and not stranger):
            await self._heed(mutation, [code], token)
            return None
        return answer

    async def _execute(
        self,
        operation: str,
        document: str,
        variables: Mapping[str, Any],
        *,
        stranger: bool = False,
    ) -> dict[str, Any] | None:
        """Run an operation. None, after a pause, where nothing came of it."""
        token = self.token
        try:
            return await self._api.execute(document, variables, token=None if stranger else token)
        except GraphQLErrors as errors:
            await self._heed(operation, errors.codes, token)
        except (httpx2.TransportError, json.JSONDecodeError):
            self.tally.count("answers lost")
            await self._pause()
        return None

    async def _heed(self, operation: str, codes: Sequence[str | None], token: str) -> None:
        """Do what a client does about a refusal of what it asked with that token."""
        self.tally.refused(operation, codes)
        if STRANGER & set(codes):
            await self._renew(token)
        elif not PASSING & set(codes):
            raise AssertionError(f"refused for no reason: {codes}")
        else:
            await asyncio.sleep(self.chance.uniform(0.2, 1))  # what passes takes its time

    async def _pause(self) -> None:
        """Wait before coming back, as clients do that were cut off."""
        await asyncio.sleep(self.chance.uniform(0.1, 0.6))

    @property
    def _api(self) -> GraphQLApi:
        """Any of them, as a load balancer would choose."""
        return self.chance.choice(self.apis)
