"""An account on real servers: what is exported of it, and that nothing of it is left at its end."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.codes import RedisCodes
from adapters.event_log.log import RedisEventLog
from adapters.lockout import RedisLockout
from adapters.session_ends import RedisSessionEnds
from adapters.traces import RedisTraces
from db.database import SqlDatabase, create_engine
from db.dossiers import IMPERSONAL, SECTIONS, TABLES
from domain.accounts import Account
from domain.audit import Act
from domain.briefs import StoryBrief
from domain.codes import CodePolicy, CodePurpose
from domain.devices import KnownDevice
from domain.events import ChapterStarted, TextAppended
from domain.lockouts import Guess, LockoutPolicy
from domain.sessions import AccessClaims, Device
from tests.factories import (
    a_chapter,
    a_delivery,
    a_passkey,
    a_recovery_code,
    a_refresh_token,
    a_session,
    a_story,
    a_totp_factor,
    an_account,
)
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeJobQueue
from tests.fakes.passwords import FakePasswords
from usecases.accounts.check_password import CheckPassword
from usecases.accounts.erase_accounts import EraseAccounts
from usecases.accounts.export_account_data import ExportAccountData
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.request_account_deletion import RequestAccountDeletion
from usecases.accounts.revocation import Revocation
from usecases.deliveries.owe import OweMail
from usecases.ports.live import Topic
from usecases.stories.write_story import WriteStoryTask

CANARY = "quokka7381"
"""Stands in everything that the account's owner, or a model for them, has written."""

EMAIL = f"{CANARY}@readers.example"
NUMBER = "+4915123456789"
PASSWORD = f"{CANARY} and three foxes"
DEVICE = Device(client_address="203.0.113.77", user_agent=f"{CANARY}/1.0")
PEPPER = b"p" * 32


@dataclass(frozen=True, slots=True)
class House:
    """The use cases of leaving, wired to real servers."""

    engine: AsyncEngine
    redis: Redis
    clock: FakeClock
    database: SqlDatabase
    queue: FakeJobQueue
    codes: RedisCodes
    lockout: RedisLockout
    events: RedisEventLog
    export: ExportAccountData
    leave: RequestAccountDeletion
    erase: EraseAccounts

    async def rows(self) -> dict[str, list[str]]:
        """Return every row of every table as text."""
        async with self.engine.connect() as sql:
            names = await sql.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            )
            return {
                name: list(await sql.scalars(text(f'SELECT t::text FROM "{name}" t')))  # noqa: S608
                for name in names.all()
            }

    async def entries(self) -> list[bytes]:
        """Return every key of Redis with all that it holds."""
        return [key + b" " + await self._held(key) async for key in self.redis.scan_iter()]

    async def _held(self, key: bytes) -> bytes:
        readers: dict[bytes, Any] = {
            b"string": self.redis.get,
            b"hash": self.redis.hgetall,
            b"list": lambda name: self.redis.lrange(name, 0, -1),
            b"set": self.redis.smembers,
            b"zset": lambda name: self.redis.zrange(name, 0, -1),
            b"stream": self.redis.xrange,
        }
        return repr(await readers[await self.redis.type(key)](key)).encode()


@pytest.fixture
async def house(postgres_url: str, redis: Redis) -> AsyncIterator[House]:
    clock, engine, queue = FakeClock(), create_engine(postgres_url), FakeJobQueue()
    database = SqlDatabase(engine, queue)
    codes = RedisCodes(redis, pepper=PEPPER, policy=CodePolicy(), clock=clock)
    lockout = RedisLockout(redis, pepper=PEPPER, policy=LockoutPolicy(), clock=clock)
    ends = RedisSessionEnds(redis, access_life=timedelta(minutes=15), clock=clock)
    again = Reauthenticate(database, CheckPassword(database, FakePasswords(), lockout), lockout)
    revocation = Revocation(database, ends, clock)
    owe = OweMail(clock, "storyloom.example")
    events = RedisEventLog(redis, clock)
    yield House(
        engine=engine,
        redis=redis,
        clock=clock,
        database=database,
        queue=queue,
        codes=codes,
        lockout=lockout,
        events=events,
        export=ExportAccountData(again, database, clock),
        leave=RequestAccountDeletion(
            again, database, revocation, owe, clock, grace=timedelta(days=14)
        ),
        erase=EraseAccounts(database, revocation, RedisTraces(redis, pepper=PEPPER), owe, clock),
    )
    await events.aclose()
    await engine.dispose()


async def inhabit(house: House) -> AccessClaims:
    """Make an account with something in every table and behind every kind of key."""
    now = house.clock.now()
    account = an_account(
        email=EMAIL,
        password_hash=await FakePasswords().hash(PASSWORD),
        display_name=CANARY,
        interests=[CANARY],
    ).activate(now)
    account.set_phone(NUMBER, now)
    session = a_session(account.id, user_agent=CANARY, client_address="203.0.113.77")
    story = a_story(
        account.id,
        brief=StoryBrief(idea=f"a tale of {CANARY}"),
        title=CANARY,
        idempotency_key=CANARY,
        failure_message=CANARY,
    )
    async with house.database.begin() as work:
        await work.accounts.add(account)
        await work.sessions.add(session)
        await work.sessions.add_token(a_refresh_token(session.id))
        await work.devices.add(
            KnownDevice(
                account_id=account.id,
                digest=uuid4().bytes * 2,
                user_agent=CANARY,
                network="203.0.113.0/24",
                added_at=now,
                last_used_at=now,
            )
        )
        await work.factors.add(a_totp_factor(account.id))
        await work.factors.replace_recovery_codes(account.id, [a_recovery_code(account.id)])
        await work.passkeys.add(a_passkey(account.id, name=CANARY))
        await work.stories.add(story)
        await work.stories.add_chapter(a_chapter(story.id, text=f"Once there was a {CANARY}."))
        await work.deliveries.add(
            a_delivery(account.id, recipient=EMAIL, last_error=f"no {CANARY}")
        )
        await work.deliveries.add(a_delivery(None, recipient=EMAIL))
        await work.jobs.add(WriteStoryTask(story_id=story.id), account_id=account.id)
        await work.audit.record(Act.LOGGED_IN, account.id, device=DEVICE, detail={"method": CANARY})
    await leave_traces(house, account, story.id)
    return AccessClaims(
        account_id=account.id, session_id=session.id, expires_at=now + timedelta(minutes=15)
    )


async def leave_traces(house: House, account: Account, story_id: UUID) -> None:
    """Do what leaves something of the account in Redis."""
    pen = house.events.writer(Topic(account.id, story_id), epoch=1)
    await pen.append(ChapterStarted(chapter=1, of=1, title=CANARY))
    await pen.append(TextAppended(chapter=1, offset=0, text=f"Once there was a {CANARY}."))
    await house.codes.issue(await house.codes.open(CodePurpose.PASSWORD_RESET, EMAIL, account.id))
    await house.codes.open(CodePurpose.PHONE, NUMBER, account.id)
    await house.lockout.admit(Guess(email=EMAIL, client_address=DEVICE.client_address))


def test_every_table_with_data_of_an_account_has_its_section() -> None:
    """A table that is added must be exported, or have a reason why it has nothing to tell."""
    assert {section.table for section in SECTIONS} | set(IMPERSONAL) == set(TABLES)


def test_no_section_tells_a_secret() -> None:
    secret = ("hash", "digest", "sealed", "salt", "lease_token", "previous")
    for section in SECTIONS:
        columns = set(TABLES[section.table].c.keys())
        assert set(section.omitted) <= columns
        told = columns - set(section.omitted)
        assert [
            name
            for name in told
            if any(word in name for word in secret) and name != "request_digest"
        ] == []


async def test_an_export_holds_every_section_and_is_counted(house: House) -> None:
    claims = await inhabit(house)
    export = await house.export(claims, password=PASSWORD, device=DEVICE)
    told = json.loads(export.document)
    assert set(told) == {
        "format",
        "version",
        "exportedAt",
        *(section.name for section in SECTIONS if section.parent is None),
    }
    names = {section.table: section.name for section in SECTIONS}
    for section in SECTIONS:
        if section.parent is None:
            assert told[section.name], section.name
        else:
            assert any(row.get(section.name) for row in told[names[section.parent]])
    assert told["stories"][0]["brief"]["idea"] == f"a tale of {CANARY}"
    assert told["account"]["phoneNumber"] == NUMBER
    assert told["auditLog"][0]["details"]["detail"] == {"method": CANARY}
    assert [entry["act"] for entry in told["auditLog"]] == ["logged_in"]
    rows = await house.rows()
    assert sum("data_exported" in row for row in rows["audit_entries"]) == 1


async def test_an_erased_account_leaves_nothing_anywhere(house: House) -> None:
    claims = await inhabit(house)
    rows = await house.rows()
    assert [section.table for section in SECTIONS if not rows[section.table]] == []
    canaries = (CANARY, NUMBER, "203.0.113.77")
    assert any(CANARY in row for row in rows["stories"])
    assert any(CANARY.encode() in entry for entry in await house.entries())

    await house.leave(claims, password=PASSWORD, device=DEVICE)
    house.clock.advance(timedelta(days=14))
    assert await house.erase() == 0
    assert len(house.queue.called_off) == 2  # the story's job, and the mail of the request
    async with house.database.begin() as work:
        last = await work.deliveries.with_event(f"account:{claims.account_id}:closed")
        assert last is not None
        last.sent(house.clock.now())
    assert await house.erase() == 1

    rows = await house.rows()
    for table, left in rows.items():
        for row in left:
            assert not any(canary in row for canary in canaries), (table, row)
    known = set(rows) - {"audit_entries", "audit_details", "alembic_version", *IMPERSONAL}
    assert {table: rows[table] for table in known} == {table: [] for table in known}
    [of_the_erasure] = rows["audit_details"]
    assert of_the_erasure.endswith('"","",{})')
    assert any("account_erased" in row for row in rows["audit_entries"])
    for entry in await house.entries():
        for needle in (*canaries, str(claims.account_id)):
            assert needle.encode() not in entry
        assert repr(claims.account_id.bytes)[2:-1].encode() not in entry
    # Only the first keeps a token of before from counting as good again, until it has expired; the
    # other says when codes were asked for in the last hour, and not for whom.
    assert {key async for key in house.redis.scan_iter()} == {
        f"session:ended:{claims.session_id}".encode(),
        b"codes:in_all",
    }


async def test_others_keep_everything(house: House) -> None:
    claims = await inhabit(house)
    other = an_account(email="noa@readers.example").activate(house.clock.now())
    async with house.database.begin() as work:
        await work.accounts.add(other)
        await work.stories.add(a_story(other.id, title="The Owl"))
        await work.audit.record(Act.LOGGED_IN, other.id, detail={"method": "password"})
    await house.codes.open(CodePurpose.PASSWORD_RESET, other.email, other.id)
    await house.leave(claims, password=PASSWORD, device=DEVICE)
    house.clock.advance(timedelta(days=15))
    await house.erase()
    house.clock.advance(timedelta(days=1))
    assert await house.erase() == 1
    rows = await house.rows()
    assert len(rows["accounts"]) == len(rows["stories"]) == 1
    assert sum("password" in row for row in rows["audit_details"]) == 1
    assert sum(str(other.id) in key.decode() for key in await house.redis.keys()) == 1
