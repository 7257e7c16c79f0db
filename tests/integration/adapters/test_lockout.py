"""What only the lockout in a real Redis can show: races, what is stored, and its absence."""

import asyncio
from collections import Counter

import pytest
from redis.asyncio import Redis

from adapters.lockout import RedisLockout
from domain.lockouts import Guess, LockoutPolicy
from domain.refusals import AccountLocked, UpstreamUnavailable, WrongCredentials
from domain.sessions import Device
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase
from tests.fakes.passwords import FakePasswords
from usecases.accounts.check_password import CheckPassword

DEVICE = Device(client_address="203.0.113.7", user_agent="Firefox")
GUESS = Guess(email="mira@readers.example", client_address="203.0.113.7")


def lockout_in(redis: Redis) -> RedisLockout:
    return RedisLockout(redis, pepper=b"p" * 32, policy=LockoutPolicy(), clock=FakeClock())


async def test_of_a_hundred_guesses_at_once_five_are_checked(redis: Redis) -> None:
    lockout = lockout_in(redis)
    answers = await asyncio.gather(
        *(lockout.admit(GUESS) for _ in range(100)), return_exceptions=True
    )
    assert sorted(answer for answer in answers if isinstance(answer, int)) == [0, 1, 2, 3, 4]
    assert Counter(map(type, answers))[AccountLocked] == 95


async def test_of_a_hundred_wrong_passwords_at_once_five_cost_a_hash_for_each_network(
    redis: Redis,
) -> None:
    database, passwords = FakeDatabase(), FakePasswords()
    check = CheckPassword(database, passwords, lockout_in(redis))
    answers = await asyncio.gather(
        *(
            check("wrong", GUESS.model_copy(update={"client_address": address}), None, DEVICE)
            for _ in range(100)
            for address in ("203.0.113.7", "2001:db8::1")
        ),
        return_exceptions=True,
    )
    assert Counter(map(type, answers)) == {AccountLocked: 190, WrongCredentials: 10}
    assert len(passwords.verified) == 10
    acts = Counter(record.entry.act.value for record in database.audited)
    assert acts == {"log_in_failed": 10, "locked_out": 2}


async def test_neither_address_is_kept_and_all_is_soon_forgotten(redis: Redis) -> None:
    await lockout_in(redis).admit(GUESS)
    [key] = [key async for key in redis.scan_iter()]
    assert b"mira" not in key
    [entry] = await redis.zrange(key, 0, -1)
    assert b"203.0" not in entry
    assert 0 < await redis.pttl(key) <= 15 * 60 * 1000


async def test_without_redis_nobody_is_admitted() -> None:
    async with Redis.from_url("redis://127.0.0.1:1") as nowhere:
        lockout = lockout_in(nowhere)
        for call in (lockout.admit(GUESS), lockout.lift(GUESS), lockout.lift_all(GUESS.email)):
            with pytest.raises(UpstreamUnavailable):
                await call
