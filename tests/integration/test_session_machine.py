"""Families of refresh tokens on a real PostgreSQL and a real Redis, whatever happens to them."""

from typing import ClassVar
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import text
from uuid_utils.compat import uuid7

from adapters.device_tokens import OpaqueDeviceTokens
from adapters.session_ends import RedisSessionEnds
from adapters.tokens import JwtAccessTokens, OpaqueRefreshTokens
from db.database import SqlDatabase, create_engine
from db.reads import SqlReads
from domain.accounts import Account
from domain.devices import DevicePolicy
from domain.sessions import AccessClaims, TokenPair
from tests.factories import an_account
from tests.fakes.accounts import DEVICE, PASSWORD
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeJobQueue
from tests.fakes.keys import FakeKeys
from tests.fakes.lockout import FakeLockout
from tests.fakes.passwords import FakePasswords
from tests.figures import Figures
from tests.session_machine import POLICY, Chain, SessionMachine, hold
from usecases.accounts.authenticate import Authenticate
from usecases.accounts.change_password import ChangePassword
from usecases.accounts.check_password import CheckPassword
from usecases.accounts.end_other_sessions import EndOtherSessions
from usecases.accounts.end_session import EndSession
from usecases.accounts.known_devices import KnownDevices
from usecases.accounts.log_out import LogOut
from usecases.accounts.open_session import OpenSession
from usecases.accounts.password_rules import PasswordRules
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.refresh_tokens import RefreshTokens
from usecases.accounts.revocation import Revocation
from usecases.accounts.token_pairs import TokenPairs
from usecases.deliveries.owe import OweMail

OTHER_PASSWORD = "nine loud herons at dusk"

CHAINS = text(
    "SELECT s.id, s.ended_at, count(t.id) FILTER (WHERE t.used_at IS NULL) AS unused"
    " FROM sessions s JOIN refresh_tokens t ON t.session_id = s.id"
    " WHERE s.account_id = :account_id GROUP BY s.id"
)


class RealWorld:
    """Implements `World`: an account of its own for each run, so that nothing has to be emptied."""

    postgres_url: ClassVar[str]
    redis_url: ClassVar[str]

    def __init__(self) -> None:
        self.clock = clock = FakeClock()
        self.engine = create_engine(self.postgres_url)
        self.redis = Redis.from_url(self.redis_url)
        self.passwords = [PASSWORD, OTHER_PASSWORD]
        self.account: Account = an_account()
        hashes, lockout = FakePasswords(), FakeLockout(clock)
        refresh, owe = OpaqueRefreshTokens(), OweMail(clock, "storyloom.example")
        self.database = database = SqlDatabase(self.engine, FakeJobQueue())
        self.hash = hashes.hash
        self.session_ends = ends = RedisSessionEnds(
            self.redis, access_life=POLICY.access, clock=clock
        )
        access = JwtAccessTokens(
            keys=FakeKeys(), issuer="storyloom", audience="storyloom-api", clock=clock
        )
        pairs = TokenPairs(access, refresh, POLICY)
        known = KnownDevices(OpaqueDeviceTokens(), owe, clock, DevicePolicy())
        self._open_session = OpenSession(pairs, known, clock)
        check_password = CheckPassword(database, hashes, lockout)
        reauthenticate = Reauthenticate(database, check_password, lockout)
        revocation = Revocation(database, ends, clock)
        self._refresh = RefreshTokens(database, refresh, pairs, ends, owe, clock)
        self._log_out = LogOut(database, refresh, ends, clock)
        self._authenticate = Authenticate(access, ends, SqlReads(self.engine), clock)
        self._end_session = EndSession(reauthenticate, database, revocation)
        self._end_others = EndOtherSessions(reauthenticate, database, revocation)
        self._change_password = ChangePassword(
            reauthenticate, database, hashes, PasswordRules(), revocation, owe
        )

    async def open(self) -> None:
        digest = await self.hash(PASSWORD)
        self.account = an_account(
            email=f"reader-{uuid7()}@readers.example", password_hash=digest
        ).activate(self.clock.now())
        async with self.database.begin() as work:
            await work.accounts.add(self.account)

    async def log_in(self) -> TokenPair:
        async with self.database.begin() as work:
            account = await work.accounts.lock(self.account.id)
            assert account is not None
            return (await self._open_session(work, account, DEVICE)).tokens

    async def refresh(self, token: str) -> TokenPair:
        return await self._refresh(token, DEVICE)

    async def log_out(self, token: str) -> bool:
        return await self._log_out(None, token, DEVICE)

    async def authenticate(self, token: str) -> AccessClaims:
        return await self._authenticate(token)

    async def end_session(self, claims: AccessClaims, session_id: UUID) -> int:
        return await self._end_session(claims, session_id, self.passwords[0], DEVICE)

    async def end_others(self, claims: AccessClaims) -> int:
        return await self._end_others(claims, self.passwords[0], DEVICE)

    async def change_password(self, claims: AccessClaims) -> int:
        current, new = self.passwords
        ended = await self._change_password(claims, current=current, new=new, device=DEVICE)
        self.passwords.reverse()
        return ended

    async def chains(self) -> dict[UUID, Chain]:
        async with self.engine.connect() as connection:
            rows = await connection.execute(CHAINS, {"account_id": self.account.id})
            return {key: Chain(ended_at, unused) for key, ended_at, unused in rows}

    async def aclose(self) -> None:
        await self.session_ends.close()
        await self.redis.aclose()
        await self.engine.dispose()


class OnServers(SessionMachine):
    """The machine on real servers."""

    new_world = staticmethod(RealWorld)


def test_no_family_ever_has_two_live_leaves_or_lives_again(
    postgres_url: str, redis_url: str, figures: Figures
) -> None:
    RealWorld.postgres_url, RealWorld.redis_url = postgres_url, redis_url
    hold(OnServers, figures, where="on PostgreSQL and Redis", quick=5)
