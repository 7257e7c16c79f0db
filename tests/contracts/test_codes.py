"""What `Codes` promises, real or fake."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from adapters.codes import RedisCodes
from domain.codes import Challenge, CodePolicy, CodePurpose
from domain.refusals import CodeAttemptsExceeded, CodeExpired, CodeInvalid, RateLimited
from tests.fakes.clock import FakeClock
from tests.fakes.codes import FakeCodes
from usecases.ports.secrets import Codes

SIGN_UP = CodePurpose.SIGN_UP
EMAIL = "mira@readers.example"
IN_ALL = 20
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Desk:
    """Codes, real or fake, with a clock."""

    codes: Codes
    clock: FakeClock
    let_time_pass: Callable[[timedelta], Awaitable[None]]
    lose_everything: Callable[[], Awaitable[None]]


@pytest.fixture(params=["fake", "redis"])
def desk(request: pytest.FixtureRequest, redis: Redis) -> Desk:
    """Return the fake, then the real codes: both must pass."""
    clock = FakeClock()
    if request.param == "fake":
        fake = FakeCodes(clock, in_all_per_hour=IN_ALL)

        async def advance(by: timedelta) -> None:
            clock.advance(by)

        async def forget() -> None:
            fake.forget()

        return Desk(fake, clock, advance, forget)

    async def outlive(by: timedelta) -> None:
        """Let time pass for the keys too: Redis' own clock cannot be set."""
        clock.advance(by)
        async for key in redis.scan_iter():
            await redis.pexpire(key, await redis.pttl(key) - round(by.total_seconds() * 1000))

    async def flush() -> None:
        await redis.flushdb()

    codes = RedisCodes(
        redis,
        pepper=b"p" * 32,
        policy=CodePolicy(),
        special={CodePurpose.PASSWORD_RESET: CodePolicy(digits=8)},
        clock=clock,
        in_all_per_hour=IN_ALL,
    )
    return Desk(codes, clock, outlive, flush)


async def opened(desk: Desk, account_id: UUID | None = None) -> tuple[Challenge, str]:
    """Return an account's challenge, with the code that answers it."""
    challenge = await desk.codes.open(SIGN_UP, EMAIL, account_id or uuid4())
    return challenge, await desk.codes.issue(challenge)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def miss(desk: Desk, challenge: Challenge, code: str) -> int:
    """Answer wrongly and return how many tries are left."""
    with pytest.raises(CodeInvalid) as refused:
        await desk.codes.redeem(challenge.id, SIGN_UP, wrong(code))
    return refused.value.attempts_left


async def test_a_challenge_tells_its_times_and_the_length_of_its_code(desk: Desk) -> None:
    account_id = uuid4()
    challenge = await desk.codes.open(SIGN_UP, EMAIL, account_id)
    assert challenge == Challenge(
        id=challenge.id,
        purpose=SIGN_UP,
        email=EMAIL,
        account_id=account_id,
        resend_at=desk.clock.now() + MINUTE,
        expires_at=desk.clock.now() + 10 * MINUTE,
        code_length=6,
    )
    assert await desk.codes.current(SIGN_UP, account_id) == challenge


async def test_the_right_code_gives_the_challenge_and_is_used_up(desk: Desk) -> None:
    challenge, code = await opened(desk)
    assert await desk.codes.redeem(challenge.id, SIGN_UP, code) == challenge
    with pytest.raises(CodeExpired):
        await desk.codes.redeem(challenge.id, SIGN_UP, code)
    assert challenge.account_id is not None
    assert await desk.codes.current(SIGN_UP, challenge.account_id) is None


async def test_wrong_codes_are_counted_until_the_right_one_helps_no_more(desk: Desk) -> None:
    challenge, code = await opened(desk)
    assert [await miss(desk, challenge, code) for _ in range(5)] == [4, 3, 2, 1, 0]
    with pytest.raises(CodeAttemptsExceeded) as refused:
        await desk.codes.redeem(challenge.id, SIGN_UP, code)
    assert 590 <= (refused.value.retry_after or 0) <= 600


async def test_another_code_brings_no_more_tries(desk: Desk) -> None:
    challenge, code = await opened(desk)
    assert [await miss(desk, challenge, code) for _ in range(4)] == [4, 3, 2, 1]
    await desk.let_time_pass(MINUTE)
    challenge = await desk.codes.reopen(challenge.id)
    assert await miss(desk, challenge, await desk.codes.issue(challenge)) == 0
    await desk.let_time_pass(MINUTE)
    with pytest.raises(CodeAttemptsExceeded):
        await desk.codes.reopen(challenge.id)


async def test_a_spent_code_stays_void_when_the_wait_is_over(desk: Desk) -> None:
    challenge, code = await opened(desk)
    await desk.let_time_pass(5 * MINUTE)
    challenge = await desk.codes.reopen(challenge.id)
    code = await desk.codes.issue(challenge)
    for _ in range(5):
        await miss(desk, challenge, code)
    await desk.let_time_pass(10 * MINUTE - timedelta(seconds=1))
    assert await desk.codes.current(SIGN_UP, challenge.account_id or uuid4()) is not None
    await desk.let_time_pass(timedelta(seconds=1))
    with pytest.raises(CodeExpired):
        await desk.codes.redeem(challenge.id, SIGN_UP, code)


async def test_before_its_code_is_drawn_every_answer_is_wrong(desk: Desk) -> None:
    challenge = await desk.codes.open(SIGN_UP, EMAIL, uuid4())
    assert await miss(desk, challenge, "000000") == 4


async def test_a_decoy_answers_like_any_other_challenge(desk: Desk) -> None:
    decoy = await desk.codes.open(SIGN_UP, EMAIL, None)
    assert [await miss(desk, decoy, "000000") for _ in range(5)] == [4, 3, 2, 1, 0]
    with pytest.raises(CodeAttemptsExceeded):
        await desk.codes.redeem(decoy.id, SIGN_UP, "000000")
    with pytest.raises(CodeExpired):
        await desk.codes.issue(decoy)
    await desk.let_time_pass(MINUTE)
    second = await desk.codes.open(SIGN_UP, EMAIL, None)
    assert await miss(desk, second, "000000") == 4


async def test_a_decoy_can_be_reopened(desk: Desk) -> None:
    decoy = await desk.codes.open(SIGN_UP, EMAIL, None)
    await desk.let_time_pass(MINUTE)
    again = await desk.codes.reopen(decoy.id)
    assert (again.id, again.account_id, again.email) == (decoy.id, None, EMAIL)


async def test_a_code_serves_its_own_challenge_only(desk: Desk) -> None:
    mine, code = await opened(desk)
    other = await desk.codes.open(SIGN_UP, "other@readers.example", uuid4())
    while await desk.codes.issue(other) == code:
        pass  # one time in a million
    with pytest.raises(CodeInvalid):
        await desk.codes.redeem(other.id, SIGN_UP, code)
    assert await desk.codes.redeem(mine.id, SIGN_UP, code) == mine


async def test_a_code_serves_its_own_purpose_only(desk: Desk) -> None:
    challenge, code = await opened(desk)
    with pytest.raises(CodeExpired):
        await desk.codes.redeem(challenge.id, cast("CodePurpose", "password_reset"), code)
    assert await desk.codes.redeem(challenge.id, SIGN_UP, code) == challenge


async def test_a_code_lives_ten_minutes(desk: Desk) -> None:
    challenge, code = await opened(desk)
    await desk.let_time_pass(10 * MINUTE)
    with pytest.raises(CodeExpired):
        await desk.codes.redeem(challenge.id, SIGN_UP, code)
    with pytest.raises(CodeExpired):
        await desk.codes.reopen(challenge.id)
    with pytest.raises(CodeExpired):
        await desk.codes.issue(challenge)
    assert challenge.account_id is not None
    assert await desk.codes.current(SIGN_UP, challenge.account_id) is None


async def test_an_unknown_challenge_has_expired(desk: Desk) -> None:
    with pytest.raises(CodeExpired):
        await desk.codes.redeem(uuid4(), SIGN_UP, "000000")
    with pytest.raises(CodeExpired):
        await desk.codes.reopen(uuid4())


async def test_asking_for_another_code_voids_the_one_before_and_lives_anew(desk: Desk) -> None:
    challenge, first = await opened(desk)
    await desk.let_time_pass(9 * MINUTE)
    again = await desk.codes.reopen(challenge.id)
    assert again.id == challenge.id
    assert again.resend_at == desk.clock.now() + MINUTE
    assert again.expires_at == desk.clock.now() + 10 * MINUTE
    await miss(desk, again, wrong(first))
    await desk.let_time_pass(9 * MINUTE)
    second = await desk.codes.issue(again)
    assert await desk.codes.redeem(challenge.id, SIGN_UP, second) == again


async def test_drawing_again_replaces_the_code_before(desk: Desk) -> None:
    challenge, first = await opened(desk)
    second = await desk.codes.issue(challenge)
    if first != second:
        with pytest.raises(CodeInvalid):
            await desk.codes.redeem(challenge.id, SIGN_UP, first)
    assert await desk.codes.redeem(challenge.id, SIGN_UP, second) == challenge


async def test_a_code_can_be_drawn_for_a_challenge_that_was_forgotten(desk: Desk) -> None:
    challenge = await desk.codes.open(SIGN_UP, EMAIL, uuid4())
    await desk.lose_everything()
    code = await desk.codes.issue(challenge)
    assert challenge.account_id is not None
    assert await desk.codes.current(SIGN_UP, challenge.account_id) == challenge
    assert await desk.codes.redeem(challenge.id, SIGN_UP, code) == challenge


async def test_an_address_gets_one_code_a_minute(desk: Desk) -> None:
    challenge, _ = await opened(desk)
    await desk.let_time_pass(timedelta(seconds=59))
    for account_id in (uuid4(), None):
        with pytest.raises(RateLimited) as refused:
            await desk.codes.open(SIGN_UP, EMAIL, account_id)
        assert refused.value.retry_after == 1
    with pytest.raises(RateLimited) as refused:
        await desk.codes.reopen(challenge.id)
    assert refused.value.retry_after == 1
    await desk.codes.open(SIGN_UP, "other@readers.example", uuid4())
    await desk.let_time_pass(timedelta(seconds=1))
    await desk.codes.reopen(challenge.id)


async def test_an_address_gets_five_codes_an_hour(desk: Desk) -> None:
    for _ in range(5):
        await desk.codes.open(SIGN_UP, EMAIL, None)
        await desk.let_time_pass(MINUTE)
    with pytest.raises(RateLimited) as refused:
        await desk.codes.open(SIGN_UP, EMAIL, uuid4())
    assert refused.value.retry_after == 55 * 60
    await desk.let_time_pass(55 * MINUTE)
    await desk.codes.open(SIGN_UP, EMAIL, uuid4())


async def test_an_address_gets_ten_codes_a_day(desk: Desk) -> None:
    for _ in range(10):
        await desk.codes.open(SIGN_UP, EMAIL, uuid4())
        await desk.let_time_pass(HOUR)
    with pytest.raises(RateLimited) as refused:
        await desk.codes.open(SIGN_UP, EMAIL, None)
    assert refused.value.retry_after == 14 * 3600
    await desk.let_time_pass(14 * HOUR)
    await desk.codes.open(SIGN_UP, EMAIL, None)


async def test_all_addresses_together_get_so_many_codes_an_hour(desk: Desk) -> None:
    [first, *_] = [
        await desk.codes.open(SIGN_UP, f"reader{n}@readers.example", None if n % 2 else uuid4())
        for n in range(IN_ALL)
    ]
    await desk.let_time_pass(5 * MINUTE)
    asked: list[Callable[[], Awaitable[Challenge]]] = [
        lambda: desk.codes.open(SIGN_UP, EMAIL, uuid4()),
        lambda: desk.codes.open(CodePurpose.PASSWORD_RESET, EMAIL, None),
        lambda: desk.codes.reopen(first.id),
    ]
    for ask in asked:
        with pytest.raises(RateLimited) as refused:
            await ask()
        assert refused.value.retry_after == 55 * 60
    await desk.let_time_pass(55 * MINUTE)
    await desk.codes.open(SIGN_UP, EMAIL, uuid4())


async def test_each_purpose_has_codes_of_its_own_length(desk: Desk) -> None:
    reset = await desk.codes.open(CodePurpose.PASSWORD_RESET, EMAIL, uuid4())
    code = await desk.codes.issue(reset)
    assert (reset.code_length, len(code)) == (8, 8)
    assert (await desk.codes.find(reset.id, CodePurpose.PASSWORD_RESET)).code_length == 8
    assert await desk.codes.redeem(reset.id, CodePurpose.PASSWORD_RESET, code) == reset


async def test_a_challenge_is_found_for_its_own_purpose_only_and_costs_no_try(desk: Desk) -> None:
    challenge, code = await opened(desk)
    for _ in range(20):
        assert await desk.codes.find(challenge.id, SIGN_UP) == challenge
    for purpose in (CodePurpose.PASSWORD_RESET, CodePurpose.EMAIL_CHANGE):
        with pytest.raises(CodeExpired):
            await desk.codes.find(challenge.id, purpose)
        with pytest.raises(CodeExpired):
            await desk.codes.redeem(challenge.id, purpose, code)
    assert await desk.codes.redeem(challenge.id, SIGN_UP, code) == challenge
    with pytest.raises(CodeExpired):
        await desk.codes.find(challenge.id, SIGN_UP)
