"""Signing keys in PostgreSQL, where several processes come at once."""

import asyncio
from datetime import timedelta

from adapters.clock import SystemClock
from adapters.keyring import Keyring
from adapters.locksmith import Ed25519Locksmith
from db.database import SqlDatabase, create_engine
from domain.signing_keys import KeyPolicy
from tests.fakes.database import FakeJobQueue
from usecases.administration.load_signing_keys import LoadSigningKeys
from usecases.administration.rotate_signing_keys import RotateSigningKeys

LOCKSMITH = Ed25519Locksmith(bytes(32))


async def test_processes_that_start_at_once_have_the_same_first_key(postgres_url: str) -> None:
    engines = [create_engine(postgres_url, pool_size=1) for _ in range(8)]
    databases = [SqlDatabase(engine, FakeJobQueue()) for engine in engines]
    loads = [LoadSigningKeys(database, LOCKSMITH, SystemClock()) for database in databases]
    found = await asyncio.gather(*(load() for load in loads))
    assert len({key.kid for keys in found for key in keys}) == 1
    for engine in engines:
        await engine.dispose()


async def test_rotations_at_once_leave_one_that_signs_in_the_end(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    database, clock = SqlDatabase(engine, FakeJobQueue()), SystemClock()
    load = LoadSigningKeys(database, LOCKSMITH, clock)
    rotate = RotateSigningKeys(database, LOCKSMITH, clock, KeyPolicy(propagation=timedelta(0)))
    [first] = await load()
    await asyncio.gather(*(rotate() for _ in range(5)))
    keys = await load()
    assert len(keys) == 6
    assert keys[0].kid == first.kid
    assert [key.verifies_until is None for key in keys] == [False] * 5 + [True]
    signer = await Keyring(load, LOCKSMITH, clock).signer()
    assert signer.kid == keys[-1].kid
    await engine.dispose()


async def test_a_whole_pool_of_transactions_can_sign_at_once(postgres_url: str) -> None:
    """The keyring's connection is its own: it waits for no transaction that waits for it."""
    engine, keys_engine = create_engine(postgres_url, pool_size=2), create_engine(postgres_url)
    database = SqlDatabase(engine, FakeJobQueue())
    load = LoadSigningKeys(SqlDatabase(keys_engine, FakeJobQueue()), LOCKSMITH, SystemClock())
    keyring = Keyring(load, LOCKSMITH, SystemClock())

    async def sign() -> str:
        async with database.begin() as work:
            await work.signing_keys.all()
            return (await keyring.signer()).kid

    async with asyncio.timeout(5):
        assert len(set(await asyncio.gather(*(sign() for _ in range(10))))) == 1
    await engine.dispose()
    await keys_engine.dispose()
