"""Sessions on a real PostgreSQL and a real Redis: what holds when many ask at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlmodel import col

from adapters.codes import RedisCodes
from adapters.device_tokens import OpaqueDeviceTokens
from adapters.session_ends import RedisSessionEnds
from adapters.tokens import JwtAccessTokens, OpaqueRefreshTokens
from db.database import SqlDatabase, create_engine
from db.reads import SqlReads
from db.rows import AccountRow, DeliveryRow
from domain.accounts import Account
from domain.codes import CodePolicy, CodePurpose
from domain.deliveries import DeliveryKind
from domain.devices import DevicePolicy
from domain.refusals import CodeExpired, RefreshRejected, RefreshReused, Refusal, Unauthenticated
from domain.sessions import Device, SessionEnd, SessionPolicy, TokenPair
from tests.factories import an_account
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeJobQueue
from tests.fakes.keys import FakeKeys
from tests.fakes.lockout import FakeLockout
from tests.fakes.passwords import FakePasswords
from tests.fakes.second_factors import FakeLogInTickets
from tests.figures import Figures
from usecases.accounts.authenticate import Authenticate
from usecases.accounts.check_password import CheckPassword
from usecases.accounts.known_devices import KnownDevices
from usecases.accounts.log_in import LogIn
from usecases.accounts.log_out import LogOut
from usecases.accounts.open_session import OpenSession
from usecases.accounts.refresh_tokens import RefreshTokens
from usecases.accounts.token_pairs import TokenPairs
from usecases.accounts.verify_otp import VerifyOtp
from usecases.deliveries.owe import OweMail

EMAIL = "mira@readers.example"
PASSWORD = "three quiet foxes at sea"
DEVICE = Device(client_address="203.0.113.7", user_agent="Firefox")


@dataclass(frozen=True, slots=True)
class House:
    """The use cases of sessions, wired to real servers."""

    engine: AsyncEngine
    database: SqlDatabase
    reads: SqlReads
    codes: RedisCodes
    clock: FakeClock
    log_in: LogIn
    refresh_tokens: RefreshTokens
    log_out: LogOut
    authenticate: Authenticate
    verify_otp: VerifyOtp

    async def begun(self) -> TokenPair:
        """Begin a session of a new account."""
        account = an_account(
            email=EMAIL, password_hash=await FakePasswords().hash(PASSWORD)
        ).activate(self.clock.now())
        async with self.database.begin() as work:
            await work.accounts.add(account)
        return (await self.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)).tokens

    async def again(self) -> TokenPair:
        """Begin another session."""
        return (await self.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)).tokens

    async def session_id(self, tokens: TokenPair) -> UUID:
        return (await self.authenticate(tokens.access_token)).session_id


@pytest.fixture
async def house(postgres_url: str, redis: Redis) -> AsyncIterator[House]:
    clock, engine = FakeClock(), create_engine(postgres_url)
    database, reads = SqlDatabase(engine, FakeJobQueue()), SqlReads(engine)
    codes = RedisCodes(redis, pepper=b"p" * 32, policy=CodePolicy(), clock=clock)
    ends = RedisSessionEnds(redis, access_life=timedelta(minutes=15), clock=clock)
    access = JwtAccessTokens(
        keys=FakeKeys(), issuer="storyloom", audience="storyloom-api", clock=clock
    )
    refresh = OpaqueRefreshTokens()
    pairs = TokenPairs(access, refresh, SessionPolicy())
    owe = OweMail(clock=clock, sender_domain="storyloom.example")
    passwords, lockout = FakePasswords(), FakeLockout(clock)
    known_devices = KnownDevices(OpaqueDeviceTokens(), owe, clock, DevicePolicy())
    yield House(
        engine=engine,
        database=database,
        reads=reads,
        codes=codes,
        clock=clock,
        log_in=LogIn(
            database,
            codes,
            passwords,
            CheckPassword(database, passwords, lockout),
            lockout,
            known_devices,
            FakeLogInTickets(clock),
            OpenSession(pairs, known_devices, clock),
            owe,
        ),
        refresh_tokens=RefreshTokens(database, refresh, pairs, ends, owe, clock),
        log_out=LogOut(database, refresh, ends, clock),
        authenticate=Authenticate(access, ends, reads, clock),
        verify_otp=VerifyOtp(database, codes, clock),
    )
    await engine.dispose()


async def outcome(call: Awaitable[TokenPair]) -> TokenPair | type[Refusal]:
    """Return the tokens, or what refused them; anything else is a failure of the test."""
    try:
        return await call
    except Refusal as refusal:
        return type(refusal)


async def test_no_token_works_once_log_out_has_returned_however_they_race(
    house: House, figures: Figures
) -> None:
    tokens, turns, got_through = await house.begun(), figures.scale(60, 1_000), 0
    for turn in range(turns):
        session_id = await house.session_id(tokens)
        refreshes = [
            asyncio.create_task(outcome(house.refresh_tokens(tokens.refresh_token)))
            for _ in range(1 + turn % 3)
        ]
        if turn % 2:
            await asyncio.sleep(0)
        await house.log_out(None, tokens.refresh_token)
        given = [tokens, *(await asyncio.gather(*refreshes))]
        for pair in given:
            if not isinstance(pair, TokenPair):
                assert pair is RefreshRejected
                continue
            got_through += pair is not tokens
            assert await outcome(house.refresh_tokens(pair.refresh_token)) is RefreshRejected
            with pytest.raises(Unauthenticated):
                await house.authenticate(pair.access_token)
        session = await house.reads.session(session_id)
        assert session is not None
        assert session.end_reason is SessionEnd.LOGGED_OUT
        tokens = await house.again()
    assert got_through
    figures.show(
        "refresh against log-out",
        f"races: {turns:,}; {got_through:,} refreshes came through; no token works after log-out",
    )


async def test_the_end_of_a_session_outlives_the_refusal_that_tells_it(house: House) -> None:
    first = await house.begun()
    other = await house.again()
    second = await house.refresh_tokens(first.refresh_token)
    session_id = await house.session_id(second)
    house.clock.advance(timedelta(seconds=11))
    answers = await asyncio.gather(
        *(outcome(house.refresh_tokens(first.refresh_token)) for _ in range(20))
    )
    assert Counter(answers) == Counter([RefreshReused, *([RefreshRejected] * 19)])
    session = await house.reads.session(session_id)
    assert session is not None
    assert (session.ended_at, session.end_reason) == (
        house.clock.now(),
        SessionEnd.REFRESH_REUSED,
    )
    with pytest.raises(RefreshRejected):
        await house.refresh_tokens(second.refresh_token)
    with pytest.raises(Unauthenticated):
        await house.authenticate(second.access_token)
    assert await house.refresh_tokens(other.refresh_token)
    async with AsyncSession(house.engine) as sql:
        warnings = select(DeliveryRow).where(col(DeliveryRow.kind) == DeliveryKind.SESSION_REVOKED)
        [mail] = await sql.scalars(warnings)
    assert mail.subject_id == session_id


async def test_of_claims_that_are_proven_at_once_one_owns_the_address(house: House) -> None:
    answers: list[tuple[UUID, str]] = []
    for _ in range(5):
        account = an_account(email=EMAIL)
        async with house.database.begin() as work:
            await work.accounts.add(account)
        challenge = await house.codes.open(CodePurpose.SIGN_UP, EMAIL, account.id)
        answers.append((challenge.id, await house.codes.issue(challenge)))
        house.clock.advance(timedelta(minutes=1))
    proofs = await asyncio.gather(
        *(house.verify_otp(*answer) for answer in answers), return_exceptions=True
    )
    [owner] = [proof for proof in proofs if isinstance(proof, Account)]
    assert sum(isinstance(proof, CodeExpired) for proof in proofs) == 4
    async with AsyncSession(house.engine) as sql:
        [stored] = await sql.scalars(select(AccountRow))
    assert (stored.id, stored.is_active) == (owner.id, True)
