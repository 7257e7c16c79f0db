"""What may happen to sessions, in any order, and what must hold whatever happens.

A hypothesis state machine: it does what users, browsers and thieves do, and knows from the rules
alone (RFC 9700 4.14, and ours of the lost answer) what each must be told. It runs on fakes and on
a real PostgreSQL.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from loguru import logger

from adapters.token_claims import LEEWAY
from domain.refusals import (
    RefreshRejected,
    RefreshReused,
    Refusal,
    TokenExpired,
    Unauthenticated,
)
from domain.sessions import AccessClaims, SessionPolicy, TokenPair
from tests.fakes.clock import FakeClock
from tests.figures import Figures

POLICY = SessionPolicy()
PLACES = st.integers(0, 59)
"""Drawn from alike however much there is to choose from: races on real servers end either way."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chain:
    """A session as it is stored: when it ended, and how many of its tokens are not used."""

    ended_at: datetime | None
    unused: int


class World(Protocol):
    """One account and everything that can be done with its sessions."""

    clock: FakeClock

    async def open(self) -> None:
        """Make the account."""
        ...

    async def log_in(self) -> TokenPair: ...

    async def refresh(self, token: str) -> TokenPair: ...

    async def log_out(self, token: str) -> bool: ...

    async def authenticate(self, token: str) -> AccessClaims: ...

    async def end_session(self, claims: AccessClaims, session_id: UUID) -> int: ...

    async def end_others(self, claims: AccessClaims) -> int: ...

    async def change_password(self, claims: AccessClaims) -> int: ...

    async def chains(self) -> dict[UUID, Chain]:
        """Return every session of the account."""
        ...

    async def aclose(self) -> None: ...


@dataclass
class Family:
    """What the rules say of one session: its tokens, oldest first, and when each was used."""

    session_id: UUID
    account_id: UUID
    expires_at: datetime
    access: tuple[str, datetime]
    tokens: list[str] = field(default_factory=list)
    token_ends: list[datetime] = field(default_factory=list)
    used_at: list[datetime] = field(default_factory=list)
    ended_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at

    def grow(self, pair: TokenPair) -> None:
        self.tokens.append(pair.refresh_token)
        self.token_ends.append(pair.refresh_expires_at)
        self.access = pair.access_token, pair.access_expires_at


class SessionMachine(RuleBasedStateMachine):
    """The rules; `new_world` makes what they are tried on."""

    new_world: Callable[[], World]
    """Makes a world; a test gives its own."""

    steps_seen: ClassVar[int] = 0
    """How often the invariant was looked at, in all runs."""

    def __init__(self) -> None:
        super().__init__()
        logger.disable("usecases")
        self.loop = asyncio.new_event_loop()
        self.world = self.new_world()
        self.families: list[Family] = []

    def teardown(self) -> None:
        self.do(self.world.aclose())
        self.loop.close()
        logger.enable("usecases")

    def do(self, act: Awaitable[T]) -> T:
        return self.loop.run_until_complete(act)

    async def outcome(self, act: Awaitable[T]) -> T | type[Refusal]:
        try:
            return await act
        except Refusal as refusal:
            return type(refusal)

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def family(self, data: st.DataObject) -> Family:
        return self.families[data.draw(PLACES, label="family") % len(self.families)]

    # --- what happens ---------------------------------------------------------------------------

    @initialize()
    def open(self) -> None:
        self.do(self.world.open())
        self.log_in()

    @precondition(lambda self: len(self.families) < 4)
    @rule()
    def log_in(self) -> None:
        pair = self.do(self.world.log_in())
        claims = self.do(self.world.authenticate(pair.access_token))
        family = Family(
            claims.session_id,
            claims.account_id,
            self.now + POLICY.absolute,
            (pair.access_token, pair.access_expires_at),
        )
        family.grow(pair)
        self.families.append(family)

    @rule(data=st.data())
    def refresh(self, data: st.DataObject) -> None:
        """The client, whose newest token it is."""
        family = self.family(data)
        self.present(family, len(family.tokens) - 1)

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """A second tab, a client whose answer was lost, or a thief: any token of before."""
        family = self.family(data)
        self.present(family, data.draw(PLACES, label="token") % len(family.tokens))

    def present(self, family: Family, place: int) -> None:
        """Present a token, and compare the answer with what the rules say."""
        expected = self.expected(family, place)
        answer = self.do(self.outcome(self.world.refresh(family.tokens[place])))
        if isinstance(answer, TokenPair):
            assert expected in {"next", "same"}
            assert (answer.refresh_token not in family.tokens) is (expected == "next")
            if expected == "same":
                assert answer.refresh_token == family.tokens[place + 1]
                family.access = answer.access_token, answer.access_expires_at
                return
            family.used_at.append(self.now)
            family.grow(answer)
            return
        assert answer is expected
        if answer is RefreshReused:
            family.ended_at = self.now

    def expected(self, family: Family, place: int) -> object:
        if not family.is_live(self.now) or self.now >= family.token_ends[place]:
            return RefreshRejected
        leaf = len(family.tokens) - 1
        if place == leaf:
            return "next"
        lost = place == leaf - 1 and self.now - family.used_at[place] <= POLICY.reuse_grace
        return "same" if lost else RefreshReused

    @rule(data=st.data(), many=st.integers(2, 4))
    def refresh_at_once(self, data: st.DataObject, many: int) -> None:
        """Several tabs at the same moment."""
        family = self.family(data)
        leaf = len(family.tokens) - 1
        expected = self.expected(family, leaf)
        answers = self.do(self.at_once(family.tokens[leaf], many))
        if expected is RefreshRejected:
            assert answers == [RefreshRejected] * many
            return
        pairs = [answer for answer in answers if isinstance(answer, TokenPair)]
        assert len(pairs) == many
        assert len({pair.refresh_token for pair in pairs}) == 1
        family.used_at.append(self.now)
        family.grow(pairs[0])

    async def at_once(self, token: str, many: int) -> list[TokenPair | type[Refusal]]:
        return await asyncio.gather(*(self.outcome(self.world.refresh(token)) for _ in range(many)))

    @rule(data=st.data())
    def refresh_against_log_out(self, data: st.DataObject) -> None:
        """Whichever comes first, nothing is usable when the log-out has returned."""
        family = self.family(data)
        token, was_live = family.tokens[-1], family.is_live(self.now)
        expected = self.expected(family, len(family.tokens) - 1)
        answer, ended = self.do(self.race(token))
        assert ended is was_live
        if isinstance(answer, TokenPair):
            assert expected == "next"
            family.used_at.append(self.now)
            family.grow(answer)
        else:
            assert answer is RefreshRejected
        self.end(family)

    async def race(self, token: str) -> tuple[Any, bool]:
        return await asyncio.gather(
            self.outcome(self.world.refresh(token)), self.world.log_out(token)
        )

    @rule(data=st.data())
    def log_out(self, data: st.DataObject) -> None:
        family = self.family(data)
        token = family.tokens[data.draw(PLACES, label="token") % len(family.tokens)]
        assert self.do(self.world.log_out(token)) is family.is_live(self.now)
        self.end(family)

    @rule(data=st.data())
    def end_session(self, data: st.DataObject) -> None:
        asking, other = self.family(data), self.family(data)
        if (claims := self.claims(asking)) is None:
            return
        ended = self.do(self.world.end_session(claims, other.session_id))
        assert ended == other.is_live(self.now)
        if ended:
            self.end(other)

    @rule(data=st.data(), how=st.sampled_from(["end_others", "change_password"]))
    def end_others(self, data: st.DataObject, how: str) -> None:
        asking = self.family(data)
        if (claims := self.claims(asking)) is None:
            return
        others = [f for f in self.families if f is not asking and f.is_live(self.now)]
        assert self.do(getattr(self.world, how)(claims)) == len(others)
        for family in others:
            self.end(family)

    def claims(self, family: Family) -> AccessClaims | None:
        """Return what the family's access token says, if it is good; check that it should be."""
        token, until = family.access
        answer = self.do(self.outcome(self.world.authenticate(token)))
        if isinstance(answer, AccessClaims):
            assert family.is_live(self.now)
            assert self.now < until + LEEWAY
            return answer
        has_expired = self.now >= until + LEEWAY
        assert answer is (TokenExpired if has_expired else Unauthenticated)
        assert has_expired or not family.is_live(self.now)
        return None

    @rule(
        by=st.sampled_from(
            [
                *(timedelta(seconds=seconds) for seconds in (1, 4, 10, 11)),
                *(timedelta(minutes=minutes) for minutes in (1, 14, 16)),
                *(timedelta(days=days) for days in (1, 29, 31)),
            ]
        )
    )
    def time_passes(self, by: timedelta) -> None:
        self.world.clock.advance(by)

    def end(self, family: Family) -> None:
        if family.ended_at is None:
            family.ended_at = self.now

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def each_family_has_one_leaf_and_once_ended_is_never_alive(self) -> None:
        type(self).steps_seen += 1
        chains = self.do(self.world.chains())
        assert chains.keys() == {family.session_id for family in self.families}
        for family in self.families:
            chain = chains[family.session_id]
            assert chain.ended_at == family.ended_at
            assert chain.unused == 1


def hold(machine: type[SessionMachine], figures: Figures, *, where: str, quick: int) -> None:
    """Try a machine so often, 20 steps each; on the whole scale 1,000 times, 50 steps each."""
    runs, steps = figures.scale(quick, 1_000), figures.scale(20, 50)
    machine.steps_seen = 0
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    assert machine.steps_seen > runs
    figures.show(
        f"sessions under anything, {where}",
        f"runs: {runs:,} of up to {steps} steps, {machine.steps_seen:,} in all;"
        " one live leaf a family",
    )
