"""Keyrings of several processes: nobody's token is refused while keys come and go."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.keyring import Keyring
from adapters.locksmith import Ed25519Locksmith
from adapters.tokens import JwtAccessTokens
from domain.refusals import TokenExpired, Unauthenticated, UpstreamUnavailable
from domain.sessions import AccessClaims
from domain.signing_keys import KeyPolicy, SigningKey
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase
from usecases.administration.load_signing_keys import LoadSigningKeys
from usecases.administration.rotate_signing_keys import RotateSigningKeys

LOCKSMITH = Ed25519Locksmith(bytes(32))


class Process:
    """One process: a keyring of its own on the same database."""

    def __init__(self, database: FakeDatabase) -> None:
        self.clock = database.clock
        self.looks = 0
        self.is_cut_off = False
        self._load = LoadSigningKeys(database, LOCKSMITH, self.clock)
        self.keyring = Keyring(self.load, LOCKSMITH, self.clock)
        self.tokens = JwtAccessTokens(
            keys=self.keyring, issuer="storyloom", audience="storyloom-api", clock=self.clock
        )

    async def load(self) -> Sequence[SigningKey]:
        """Look at the database, unless it cannot be reached."""
        self.looks += 1
        if self.is_cut_off:
            raise ConnectionError
        return await self._load()

    async def sign(self, life: timedelta = timedelta(minutes=15)) -> tuple[str, datetime]:
        """Return a token and when it expires."""
        expires_at = self.clock.now() + life
        claims = AccessClaims(account_id=uuid4(), session_id=uuid4(), expires_at=expires_at)
        return await self.tokens.sign(claims), expires_at


def rotation(database: FakeDatabase, propagation: timedelta) -> RotateSigningKeys:
    return RotateSigningKeys(
        database, LOCKSMITH, database.clock, KeyPolicy(propagation=propagation)
    )


SECONDS = st.sampled_from([0, 1, 29, 30, 59, 60, 61, 300, 900, 2_400, 3_500]) | st.integers(
    0, 4_000
)
STEPS = st.lists(st.tuples(SECONDS, st.sampled_from(["rotate", "sign 0", "sign 1"])), max_size=15)


@settings(max_examples=100, deadline=None)
@given(
    steps=STEPS,
    propagation=st.sampled_from([30, 60, 300]).map(lambda seconds: timedelta(seconds=seconds)),
    life=st.sampled_from([15, 60]).map(lambda minutes: timedelta(minutes=minutes)),
)
async def test_no_good_token_is_refused_whenever_keys_rotate(
    steps: list[tuple[int, str]], propagation: timedelta, life: timedelta
) -> None:
    clock = FakeClock()
    database = FakeDatabase(clock)
    processes = [Process(database), Process(database)]
    rotate = rotation(database, propagation)
    given_out: list[tuple[str, datetime]] = []
    for seconds, act in steps:
        clock.advance(timedelta(seconds=seconds))
        if act == "rotate":
            await rotate()
        elif act.startswith("sign"):
            given_out.append(await processes[int(act[-1])].sign(life))
        given_out = [(token, end) for token, end in given_out if end > clock.now()]
        for token, _ in given_out:
            for process in processes:
                await process.tokens.read(token)
    # Keys don't pile up: each is gone an hour and two minutes after its successor signs.
    clock.advance(propagation + timedelta(hours=2))
    await processes[0].keyring.signer()
    assert len(database.tables.signing_keys) <= 1


async def test_in_a_hurry_an_unknown_key_is_looked_up_at_once() -> None:
    clock = FakeClock()
    database = FakeDatabase(clock)
    knows_the_old, knows_the_new = Process(database), Process(database)
    await knows_the_old.sign()
    clock.advance(timedelta(seconds=10))
    await rotation(database, timedelta(0))()
    token, _ = await knows_the_new.sign()
    assert await knows_the_old.tokens.read(token)
    assert knows_the_old.looks == 2


async def test_strange_names_do_not_hammer_the_database() -> None:
    clock = FakeClock()
    process = Process(FakeDatabase(clock))
    await process.sign()
    assert process.looks == 1
    for _ in range(5):
        clock.advance(timedelta(seconds=1))
        assert (
            await asyncio.gather(
                *(process.keyring.public(f"strange-{number}") for number in range(200))
            )
            == [None] * 200
        )
    assert process.looks == 6


async def test_known_keys_cost_a_look_every_half_minute() -> None:
    clock = FakeClock()
    process = Process(FakeDatabase(clock))
    token, _ = await process.sign()
    for _ in range(60):
        clock.advance(timedelta(seconds=1))
        await asyncio.gather(*(process.tokens.read(token) for _ in range(20)))
    assert process.looks == 3


async def test_while_the_database_is_away_known_keys_verify_and_nothing_old_signs() -> None:
    clock = FakeClock()
    process = Process(FakeDatabase(clock))
    token, _ = await process.sign()
    process.is_cut_off = True
    clock.advance(timedelta(seconds=60))
    assert await process.sign()
    clock.advance(timedelta(seconds=1))
    assert await process.tokens.read(token)
    with pytest.raises(UpstreamUnavailable):
        await process.sign()
    with pytest.raises(UpstreamUnavailable):  # it may be good: nobody can tell
        await process.keyring.public("published-meanwhile")
    process.is_cut_off = False
    clock.advance(timedelta(seconds=1))
    assert await process.sign()


async def test_a_process_that_never_saw_the_database_knows_nothing() -> None:
    process = Process(FakeDatabase(FakeClock()))
    process.is_cut_off = True
    for ask in (process.keyring.signer(), process.keyring.public("any"), process.keyring.jwks()):
        with pytest.raises(UpstreamUnavailable):
            await ask


async def test_a_compromised_key_is_refused_within_half_a_minute() -> None:
    clock = FakeClock()
    database = FakeDatabase(clock)
    process = Process(database)
    token, _ = await process.sign()
    await rotation(database, timedelta(minutes=5))(compromised=True)
    clock.advance(timedelta(seconds=30))
    with pytest.raises(Unauthenticated):
        await process.tokens.read(token)


async def test_a_token_expires_although_its_key_lives_on() -> None:
    clock = FakeClock()
    process = Process(FakeDatabase(clock))
    token, _ = await process.sign()
    clock.advance(timedelta(minutes=16))
    with pytest.raises(TokenExpired):
        await process.tokens.read(token)


async def test_the_public_half_alone_is_published_of_each_key() -> None:
    clock = FakeClock()
    database = FakeDatabase(clock)
    process = Process(database)
    await process.sign()
    await rotation(database, timedelta(minutes=5))()
    clock.advance(timedelta(seconds=30))
    published = (await process.keyring.jwks())["keys"]
    assert [jwk["kid"] for jwk in published] == [
        key.kid for key in database.tables.signing_keys.values()
    ]
    for jwk in published:
        assert jwk.keys() == {"kty", "crv", "x", "kid", "alg", "use"}
        assert (jwk["kty"], jwk["crv"], jwk["alg"], jwk["use"]) == (
            "OKP",
            "Ed25519",
            "EdDSA",
            "sig",
        )
