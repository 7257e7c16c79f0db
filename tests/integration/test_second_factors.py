"""Second factors and passkeys on a real PostgreSQL and a real Redis: when many come at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlmodel import col

from adapters.device_tokens import OpaqueDeviceTokens
from adapters.log_in_tickets import RedisFactorTries, RedisLogInTickets
from adapters.passkey_challenges import RedisPasskeyChallenges
from adapters.passkeys import WebAuthnCeremonies
from adapters.recovery_codes import PaperRecoveryCodes
from adapters.tokens import JwtAccessTokens, OpaqueRefreshTokens
from adapters.totp import PyotpTotpCodes
from bootstrap.second_factors import FactorAdapters, FactorUseCases, factor_use_cases
from db.database import SqlDatabase, create_engine
from db.rows import DeliveryRow, PasskeyRow, RecoveryCodeRow, SessionRow
from domain.deliveries import DeliveryKind
from domain.devices import DevicePolicy
from domain.refusals import (
    CodeInvalid,
    LogInTicketRejected,
    PasskeyLimitReached,
    PasskeyRejected,
    PasskeyUnfit,
    RecoveryCodeInvalid,
    Refusal,
    SecondFactorLocked,
    SecondFactorRequired,
    UpstreamUnavailable,
)
from domain.second_factors import FactorPolicy
from domain.sessions import AccessClaims, SessionPolicy
from tests.app_owner import AppOwner, with_app
from tests.authenticator import PRESENT, VERIFIED, Authenticator, eddsa
from tests.factories import an_account
from tests.fakes.accounts import DEVICE, EMAIL, PASSKEY_DOMAIN, PASSKEY_ORIGIN, PASSWORD
from tests.fakes.clock import FakeClock
from tests.fakes.codes import FakeCodes
from tests.fakes.database import FakeJobQueue
from tests.fakes.keys import FakeKeys
from tests.fakes.lockout import FakeLockout
from tests.fakes.passwords import FakePasswords
from tests.servers import Server
from usecases.accounts.check_password import CheckPassword
from usecases.accounts.known_devices import KnownDevices
from usecases.accounts.log_in import LogIn
from usecases.accounts.open_session import LoggedIn, OpenSession
from usecases.accounts.prove_factor import FactorProof
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.token_pairs import TokenPairs
from usecases.deliveries.owe import OweMail


@dataclass(frozen=True, slots=True)
class House:
    """The use cases of second factors, wired to real servers."""

    engine: AsyncEngine
    redis: Redis
    clock: FakeClock
    database: SqlDatabase
    log_in: LogIn
    use_cases: FactorUseCases

    async def owner(self, email: str = EMAIL) -> AccessClaims:
        """Sign somebody in."""
        account = an_account(
            email=email, password_hash=await FakePasswords().hash(PASSWORD)
        ).activate(self.clock.now())
        async with self.database.begin() as work:
            await work.accounts.add(account)
        logged_in = await self.log_in(email=email, password=PASSWORD, device=DEVICE)
        return AccessClaims(
            account_id=account.id,
            session_id=logged_in.session.id,
            expires_at=logged_in.tokens.access_expires_at,
        )

    async def app_owner(self) -> AppOwner:
        return await with_app(self.use_cases, await self.owner(), self.clock)

    async def ticket(self) -> str:
        with pytest.raises(SecondFactorRequired) as refused:
            await self.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
        return refused.value.ticket

    async def complete(self, ticket: str, proof: FactorProof) -> LoggedIn:
        complete = self.use_cases["complete_log_in"]
        return await complete(ticket=ticket, proof=proof, device=DEVICE)

    async def add(self, claims: AccessClaims, authenticator: Authenticator) -> None:
        begin = self.use_cases["begin_passkey_registration"]
        options = await begin(claims, password=PASSWORD, device=DEVICE)
        await self.finish(claims, authenticator.create(options))

    async def finish(self, claims: AccessClaims, credential: object) -> None:
        finish = self.use_cases["finish_passkey_registration"]
        await finish(claims, credential=credential, name="Phone", device=DEVICE)

    async def assertion(self, authenticator: Authenticator) -> object:
        return authenticator.get(await self.use_cases["begin_passkey_log_in"]())

    async def enter(self, credential: object) -> LoggedIn:
        return await self.use_cases["finish_passkey_log_in"](credential=credential, device=DEVICE)

    async def count(self, table: type, *conditions: object) -> int:
        async with AsyncSession(self.engine) as sql:
            query = select(func.count()).select_from(table)
            return await sql.scalar(query.where(*conditions)) or 0  # type: ignore[arg-type]


def open_house(url: str, redis: Redis, policy: FactorPolicy) -> House:
    clock, engine = FakeClock(), create_engine(url)
    database, passwords = SqlDatabase(engine, FakeJobQueue()), FakePasswords()
    access = JwtAccessTokens(
        keys=FakeKeys(), issuer="storyloom", audience="storyloom-api", clock=clock
    )
    owe = OweMail(clock=clock, sender_domain="storyloom.example")
    known_devices = KnownDevices(OpaqueDeviceTokens(), owe, clock, DevicePolicy())
    lockout = FakeLockout(clock)
    check_password = CheckPassword(database, passwords, lockout)
    open_session = OpenSession(
        TokenPairs(access, OpaqueRefreshTokens(), SessionPolicy()), known_devices, clock
    )
    adapters = FactorAdapters(
        totp_codes=PyotpTotpCodes(key=bytes(range(32)), clock=clock),
        recovery_codes=PaperRecoveryCodes(),
        tries=RedisFactorTries(redis, policy=policy),
        tickets=RedisLogInTickets(redis, policy=policy, clock=clock),
        challenges=RedisPasskeyChallenges(redis, clock=clock),
        ceremonies=WebAuthnCeremonies(domain=PASSKEY_DOMAIN, origins=[PASSKEY_ORIGIN]),
    )
    log_in = LogIn(
        database,
        FakeCodes(clock),
        passwords,
        check_password,
        lockout,
        known_devices,
        adapters.tickets,
        open_session,
        owe,
    )
    use_cases = factor_use_cases(
        adapters,
        database=database,
        open_session=open_session,
        reauthenticate=Reauthenticate(database, check_password, lockout),
        owe=owe,
        clock=clock,
    )
    return House(engine, redis, clock, database, log_in, use_cases)


@pytest.fixture
async def house(postgres_url: str, redis: Redis) -> AsyncIterator[House]:
    house = open_house(postgres_url, redis, FactorPolicy())
    yield house
    await house.engine.dispose()


@pytest.fixture
async def patient_house(postgres_url: str, redis: Redis) -> AsyncIterator[House]:
    """Return one that grants any number of tries: only the rows can refuse."""
    house = open_house(postgres_url, redis, FactorPolicy(tries=1_000, ticket_tries=1_000))
    yield house
    await house.engine.dispose()


async def outcomes(*calls: Awaitable[object]) -> Counter[type]:
    """Count what came of calls at once; anything but a refusal is a failure of the test."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Refusal):
            raise result
    return Counter(map(type, results))


# --- an app ---------------------------------------------------------------------------------------


async def test_of_100_right_codes_at_once_one_logs_in(patient_house: House) -> None:
    house = patient_house
    owner = await house.app_owner()
    tickets = [await house.ticket() for _ in range(100)]
    proof = FactorProof(code=owner.code())
    assert await outcomes(*(house.complete(ticket, proof) for ticket in tickets)) == {
        LoggedIn: 1,
        CodeInvalid: 99,
    }
    assert await house.count(SessionRow) == 2


async def test_of_100_right_codes_no_more_are_looked_at_than_allowed(house: House) -> None:
    owner = await house.app_owner()
    tickets = [await house.ticket() for _ in range(100)]
    proof = FactorProof(code=owner.code())
    results = await outcomes(*(house.complete(ticket, proof) for ticket in tickets))
    assert results[LoggedIn] == 1
    # A right code begins the count anew, once.
    assert results[CodeInvalid] <= 2 * 5 - 1
    assert results[SecondFactorLocked] == 99 - results[CodeInvalid]


async def test_of_100_wrong_codes_five_are_looked_at(house: House) -> None:
    owner = await house.app_owner()
    tickets = [await house.ticket() for _ in range(100)]
    proof = FactorProof(code=owner.wrong())
    assert await outcomes(*(house.complete(ticket, proof) for ticket in tickets)) == {
        CodeInvalid: 5,
        SecondFactorLocked: 95,
    }
    told = col(DeliveryRow.kind) == DeliveryKind.SECOND_FACTOR_LOCKED
    assert await house.count(DeliveryRow, told) == 1
    assert 0 < await house.redis.pttl(f"factors:tries:{owner.claims.account_id}") <= 900_000


async def test_one_ticket_begins_one_session_however_many_good_codes_come(
    patient_house: House,
) -> None:
    house = patient_house
    owner = await house.app_owner()
    ticket = await house.ticket()
    proofs = [FactorProof(recovery_code=code) for code in owner.recovery_codes]
    assert await outcomes(*(house.complete(ticket, proof) for proof in proofs)) == {
        LoggedIn: 1,
        LogInTicketRejected: 9,
    }
    assert await house.count(RecoveryCodeRow, col(RecoveryCodeRow.used_at).is_not(None)) == 1
    assert await house.count(SessionRow) == 2


async def test_a_recovery_code_opens_one_session_however_often_it_comes(house: House) -> None:
    owner = await house.app_owner()
    tickets = [await house.ticket() for _ in range(20)]
    proof = FactorProof(recovery_code=owner.recovery_codes[0])
    assert await outcomes(*(house.complete(ticket, proof) for ticket in tickets)) == {
        LoggedIn: 1,
        RecoveryCodeInvalid: 19,
    }


async def test_redis_holds_no_ticket_that_could_be_used(house: House) -> None:
    await house.app_owner()
    ticket = await house.ticket()
    async for key in house.redis.scan_iter(b"log_in:*"):
        held = key + b"".join(await house.redis.hvals(key))  # type: ignore[misc]
        assert ticket.encode() not in held
        assert 0 < await house.redis.pttl(key) <= 300_000


async def test_without_redis_nobody_gets_in(postgres_url: str, own_redis: Server) -> None:
    async with Redis.from_url(own_redis.url) as client:
        house = open_house(postgres_url, client, FactorPolicy())
        owner = await house.app_owner()
        phone = Authenticator(PASSKEY_ORIGIN)
        await house.add(owner.claims, phone)
        ticket, assertion = await house.ticket(), await house.assertion(phone)
        await own_redis.kill()
        assert await outcomes(
            house.complete(ticket, FactorProof(code=owner.code())),
            house.complete(ticket, FactorProof(recovery_code=owner.recovery_codes[0])),
            house.enter(assertion),
            house.log_in(email=EMAIL, password=PASSWORD, device=DEVICE),
        ) == {UpstreamUnavailable: 4}
        assert await house.count(SessionRow) == 1
        await house.engine.dispose()


# --- passkeys -------------------------------------------------------------------------------------


async def test_of_50_times_the_same_assertion_one_logs_in(house: House) -> None:
    claims = await house.owner()
    phone = Authenticator(PASSKEY_ORIGIN, key=eddsa(), flags=PRESENT | VERIFIED, count=None)
    await house.add(claims, phone)
    assertion = await house.assertion(phone)
    assert await outcomes(*(house.enter(assertion) for _ in range(50))) == {
        LoggedIn: 1,
        PasskeyRejected: 49,
    }


async def test_a_counter_lets_each_value_in_once_however_they_race(house: House) -> None:
    claims = await house.owner()
    phone = Authenticator(PASSKEY_ORIGIN)
    await house.add(claims, phone)
    assertions = []
    for _ in range(20):
        phone.count = 4  # a copy that was never used counts like the key itself
        assertions.append(await house.assertion(phone))
    assert await outcomes(*(house.enter(assertion) for assertion in assertions)) == {
        LoggedIn: 1,
        PasskeyRejected: 19,
    }
    [stored] = await _passkeys(house)
    assert stored.sign_count == 5


async def test_an_account_holds_ten_passkeys_however_they_race(house: House) -> None:
    claims = await house.owner()
    begin = house.use_cases["begin_passkey_registration"]
    credentials = []
    for _ in range(20):
        options = await begin(claims, password=PASSWORD, device=DEVICE)
        credentials.append(Authenticator(PASSKEY_ORIGIN).create(options))
    results = await outcomes(*(house.finish(claims, credential) for credential in credentials))
    assert results == {type(None): 10, PasskeyLimitReached: 10}
    assert await house.count(PasskeyRow) == 10


async def test_a_credential_is_registered_once_however_accounts_race(house: House) -> None:
    owners = [await house.owner(f"reader{n}@readers.example") for n in range(5)]
    phone = Authenticator(PASSKEY_ORIGIN)
    begin = house.use_cases["begin_passkey_registration"]
    credentials = [
        phone.create(await begin(claims, password=PASSWORD, device=DEVICE)) for claims in owners
    ]
    results = await outcomes(
        *(
            house.finish(claims, credential)
            for claims, credential in zip(owners, credentials, strict=True)
        )
    )
    assert results == {type(None): 1, PasskeyUnfit: 4}


async def _passkeys(house: House) -> list[PasskeyRow]:
    async with AsyncSession(house.engine) as sql:
        return list(await sql.scalars(select(PasskeyRow)))
