"""What Redis keeps of an account is found by its name, and by what it holds."""

from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from adapters.codes import RedisCodes
from adapters.lockout import RedisLockout
from adapters.traces import RedisTraces
from domain.codes import CodePolicy, CodePurpose
from domain.lockouts import Guess, LockoutPolicy
from domain.refusals import UpstreamUnavailable
from tests.fakes.clock import FakeClock

PEPPER = b"p" * 32


async def leave_traces(redis: Redis, account_id: UUID, email: str, number: str) -> None:
    """Do what leaves something in Redis."""
    codes = RedisCodes(redis, pepper=PEPPER, policy=CodePolicy(), clock=FakeClock())
    lockout = RedisLockout(redis, pepper=PEPPER, policy=LockoutPolicy(), clock=FakeClock())
    await codes.open(CodePurpose.PASSWORD_RESET, email, account_id)
    await codes.issue(await codes.open(CodePurpose.PHONE, number, account_id))
    await lockout.admit(Guess(email=email, client_address="203.0.113.7"))
    await redis.xadd(f"events:{{{account_id}}}:story:{uuid4()}", {"event": "x"})
    await redis.hset(f"events:{{{account_id}}}:story:{uuid4()}:live", "text", "x")  # type: ignore[misc]
    await redis.hset(f"log_in:ticket:{uuid4().hex}", "account", account_id.bytes)  # type: ignore[misc,arg-type]
    await redis.set(f"passkeys:challenge:{uuid4().hex}", bytes(8) + account_id.bytes)
    await redis.set(f"limit:user:{account_id}", 1)


async def test_all_of_an_account_goes_and_nothing_else(redis: Redis) -> None:
    mine, theirs = uuid4(), uuid4()
    await leave_traces(redis, theirs, "noa@readers.example", "+4915123456780")
    await redis.set(f"session:ended:{uuid4()}", 1)
    before = {key async for key in redis.scan_iter()}
    await leave_traces(redis, mine, "mira@readers.example", "+4915123456789")
    traces = RedisTraces(redis, pepper=PEPPER)
    removed = await traces.erase(mine, ["mira@readers.example", "+4915123456789"])
    assert {key async for key in redis.scan_iter()} == before
    assert removed == 12
    assert await traces.erase(mine, ["mira@readers.example"]) == 0


async def test_many_keys_are_looked_at_page_by_page(redis: Redis) -> None:
    mine = uuid4()
    async with redis.pipeline() as pipe:
        for n in range(3000):
            pipe.set(f"events:{{{mine}}}:{n}" if n % 3 else f"other:{n}", 1)
        await pipe.execute()
    assert await RedisTraces(redis, pepper=PEPPER).erase(mine, []) == 2000
    assert await redis.dbsize() == 1000


async def test_without_redis_nothing_counts_as_erased() -> None:
    async with Redis.from_url("redis://127.0.0.1:1") as nowhere:
        with pytest.raises(UpstreamUnavailable):
            await RedisTraces(nowhere, pepper=PEPPER).erase(uuid4(), [])
