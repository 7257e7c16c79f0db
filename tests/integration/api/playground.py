"""A small schema that does on purpose what a real one does in bad hours."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

import strawberry
from strawberry.schema.config import StrawberryConfig

from api.identity import Caller
from domain.refusals import InputIssue, InvalidInput, NotFound, QuotaExceeded, Unauthenticated
from schema.scalars import SCALARS
from usecases.ports.live import FollowerTooSlow


@dataclass
class Watch:
    """What the resolvers did, for the test to look at."""

    contexts: int = 0
    open_streams: int = 0
    started: asyncio.Event = field(default_factory=asyncio.Event)
    canceled: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    mutations: list[str] = field(default_factory=list)


@dataclass
class PlaygroundContext:
    """One execution's world; `serial` tells contexts apart."""

    watch: Watch
    caller: Caller
    serial: int


Info = strawberry.Info[PlaygroundContext, None]


@strawberry.input
class Wish:
    """An input object."""

    text: str
    stars: int = 3


@strawberry.type
class Box:
    """Something that holds itself."""

    name: str = "box"

    @strawberry.field
    def inner(self) -> "Box":
        return Box()


@strawberry.type
class Serial:
    """An event that tells in which context it was resolved."""

    @strawberry.field
    def serial(self, info: Info) -> int:
        return info.context.serial


@strawberry.type
class Tick:
    """An event with a place in a log."""

    number: int

    @property
    def position(self) -> str:
        return f"tick-{self.number}"

    @strawberry.field
    async def slow(self, info: Info) -> str:
        await info.context.watch.go_on.wait()
        return "done"


@strawberry.type
class Query:
    """Reads."""

    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello, {name}!"

    @strawberry.field
    def first(self, count: int = 1) -> int:
        return count

    @strawberry.field
    def wish(self, wish: Wish) -> str:
        return wish.text

    @strawberry.field
    def moment(self, at: datetime) -> datetime:
        return at

    @strawberry.field
    def box(self) -> Box:
        return Box()

    @strawberry.field
    def whoami(self, info: Info) -> str:
        identity = info.context.caller.identity
        if identity.claims is None:
            raise identity.rejection or Unauthenticated
        return str(identity.claims.account_id)

    @strawberry.field
    def address(self, info: Info) -> str:
        return info.context.caller.address

    @strawberry.field
    def missing(self) -> str | None:
        raise NotFound(path=("id",))

    @strawberry.field
    def spent(self) -> str | None:
        raise QuotaExceeded(2, "a day", retry_after=60)

    @strawberry.field
    def misfit(self) -> str | None:
        raise InvalidInput([InputIssue(("first",), "too_large", "must be at most 100")])

    @strawberry.field
    def long(self) -> str:
        return "story " * 200

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("the secret is 7531")

    @strawberry.field
    def unwritable(self) -> str:
        return "\ud800"

    @strawberry.field
    async def slow(self, info: Info) -> str | None:
        watch = info.context.watch
        watch.started.set()
        try:
            await watch.go_on.wait()
        except asyncio.CancelledError:
            watch.canceled.set()
            raise
        return "done"


@strawberry.type
class Mutation:
    """Writes."""

    @strawberry.mutation
    def log_in(self, info: Info, name: str) -> str:
        info.context.watch.mutations.append(name)
        return name * 200

    @strawberry.mutation
    def rename(self, info: Info, name: str) -> str:
        info.context.watch.mutations.append(name)
        return name


@strawberry.type
class Subscription:
    """Watches."""

    @strawberry.subscription
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @strawberry.subscription
    async def serials(self, info: Info, events: int) -> AsyncIterator[Serial]:
        del info
        for _ in range(events):
            yield Serial()

    @strawberry.subscription
    async def ticks(self, info: Info, to: int, after: int = 0) -> AsyncIterator[Tick]:
        if (place := info.context.caller.resume_from) is not None:
            after = int(place.removeprefix("tick-"))
        for number in range(after + 1, to + 1):
            yield Tick(number=number)

    @strawberry.subscription
    async def forever(self, info: Info, first: str = "first") -> AsyncIterator[str]:
        watch = info.context.watch
        watch.open_streams += 1
        watch.started.set()
        try:
            yield first
            await asyncio.Event().wait()
        finally:
            watch.open_streams -= 1
            if watch.open_streams == 0:
                watch.canceled.set()

    @strawberry.subscription
    async def flood(self, info: Info, size: int) -> AsyncIterator[str]:
        info.context.watch.started.set()
        while True:
            yield "x" * size

    @strawberry.subscription
    async def mine(self, info: Info) -> AsyncIterator[str]:
        if info.context.caller.identity.claims is None:
            raise Unauthenticated
        yield str(info.context.caller.identity.claims.account_id)

    @strawberry.subscription
    async def behind(self) -> AsyncIterator[int]:
        yield 1
        raise FollowerTooSlow

    @strawberry.subscription
    async def breaks(self) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("the secret is 7531")


schema = strawberry.Schema(
    Query, Mutation, Subscription, config=StrawberryConfig(scalar_map=SCALARS)
)
