"""Every lockout obeys these, in memory as in Redis."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.lockout import RedisLockout
from domain.lockouts import Guess, LockoutPolicy
from domain.refusals import AccountLocked
from tests.fakes.clock import FakeClock
from tests.fakes.lockout import FakeLockout
from usecases.ports.limits import Lockout

EMAIL = "mira@readers.example"
HERE, SAME_NETWORK, ELSEWHERE = "203.0.113.7", "203.0.113.200", "198.51.100.7"
POLICY = LockoutPolicy(strangers=12)


@dataclass(frozen=True, slots=True)
class Gate:
    """A lockout and its clock."""

    lockout: Lockout
    clock: FakeClock

    async def try_(self, times: int, guess: Guess) -> list[int | None]:
        """Guess so often; return how many guesses were left after each, None where locked."""
        answers: list[int | None] = []
        for _ in range(times):
            try:
                answers.append(await self.lockout.admit(guess))
            except AccountLocked:
                answers.append(None)
        return answers


@pytest.fixture(params=["fake", "redis"])
def gate(request: pytest.FixtureRequest) -> Gate:
    clock = FakeClock()
    if request.param == "fake":
        return Gate(FakeLockout(clock, POLICY), clock)
    redis: Redis = request.getfixturevalue("redis")
    return Gate(RedisLockout(redis, pepper=b"p" * 32, policy=POLICY, clock=clock), clock)


def a_guess(client_address: str = HERE, **known: Any) -> Guess:  # noqa: ANN401 - the model checks
    return Guess(**{"email": EMAIL, "client_address": client_address, **known})


async def test_five_guesses_are_checked_and_the_sixth_is_not(gate: Gate) -> None:
    assert await gate.try_(7, a_guess()) == [4, 3, 2, 1, 0, None, None]


async def test_a_refusal_says_when_the_first_of_the_five_is_forgotten(gate: Gate) -> None:
    await gate.try_(1, a_guess())
    gate.clock.advance(timedelta(minutes=4))
    await gate.try_(4, a_guess())
    with pytest.raises(AccountLocked) as refused:
        await gate.lockout.admit(a_guess())
    assert refused.value.retry_after == 11 * 60
    gate.clock.advance(timedelta(seconds=11 * 60))
    assert await gate.try_(2, a_guess()) == [0, None]


async def test_a_refused_guess_does_not_count(gate: Gate) -> None:
    await gate.try_(5, a_guess())
    gate.clock.advance(timedelta(minutes=14))
    await gate.try_(50, a_guess())
    gate.clock.advance(timedelta(minutes=1))
    assert await gate.try_(1, a_guess()) == [4]


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        (HERE, SAME_NETWORK, True),
        (HERE, ELSEWHERE, False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", SAME_NETWORK, True),
        ("unknown", "unknown", True),
    ],
)
async def test_guesses_count_by_network(gate: Gate, first: str, second: str, is_one: bool) -> None:  # noqa: FBT001
    await gate.try_(5, a_guess(first))
    assert await gate.try_(1, a_guess(second)) == ([None] if is_one else [4])


async def test_addresses_are_locked_one_by_one(gate: Gate) -> None:
    await gate.try_(5, a_guess())
    assert await gate.try_(1, a_guess(email="noa@readers.example")) == [4]


async def test_a_stranger_does_not_lock_a_known_device_out(gate: Gate) -> None:
    for host in range(20):
        await gate.try_(9, a_guess(f"198.51.{host}.1"))
    mine = a_guess(device=uuid4())
    assert await gate.try_(6, mine) == [4, 3, 2, 1, 0, None]
    assert await gate.try_(1, a_guess(device=uuid4())) == [4]


async def test_a_known_device_does_not_lock_its_network_out(gate: Gate) -> None:
    await gate.try_(9, a_guess(device=uuid4()))
    assert await gate.try_(1, a_guess()) == [4]


async def test_strangers_everywhere_are_slowed_and_never_blocked(gate: Gate) -> None:
    for host in range(12):
        assert await gate.try_(1, a_guess(f"198.51.{host}.1")) == [4]
    newcomer = a_guess()
    with pytest.raises(AccountLocked) as refused:
        await gate.lockout.admit(newcomer)
    assert refused.value.retry_after == 10
    gate.clock.advance(timedelta(seconds=10))
    assert await gate.try_(2, newcomer) == [4, None]
    gate.clock.advance(timedelta(minutes=15))
    assert await gate.try_(1, a_guess("198.51.100.1")) == [4]


async def test_a_right_guess_lifts_what_its_place_did_and_no_more(gate: Gate) -> None:
    await gate.try_(3, a_guess())
    await gate.try_(3, a_guess(ELSEWHERE))
    await gate.lockout.lift(a_guess(SAME_NETWORK))
    assert await gate.try_(1, a_guess()) == [4]
    assert await gate.try_(1, a_guess(ELSEWHERE)) == [1]


async def test_a_new_password_lifts_everything(gate: Gate) -> None:
    device = uuid4()
    await gate.try_(5, a_guess())
    await gate.try_(5, a_guess(device=device))
    await gate.lockout.lift_all(EMAIL)
    assert await gate.try_(1, a_guess()) == [4]
    assert await gate.try_(1, a_guess(device=device)) == [4]
