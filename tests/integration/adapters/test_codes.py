"""What only the codes in a real Redis can show: races, what is stored, and its absence."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest
from loguru import logger
from redis.asyncio import Redis

from adapters.codes import RedisCodes
from domain.codes import Challenge, CodePolicy, CodePurpose
from domain.refusals import (
    CodeAttemptsExceeded,
    CodeExpired,
    CodeInvalid,
    RateLimited,
    Refusal,
    UpstreamUnavailable,
)
from tests.fakes.clock import FakeClock

SIGN_UP = CodePurpose.SIGN_UP
EMAIL = "mira@readers.example"
NOWHERE = "redis://127.0.0.1:1"


def codes_in(
    redis: Redis, policy: CodePolicy | None = None, *, in_all_per_hour: int = 1_000
) -> RedisCodes:
    return RedisCodes(
        redis,
        pepper=b"p" * 32,
        policy=policy or CodePolicy(),
        clock=FakeClock(),
        in_all_per_hour=in_all_per_hour,
    )


async def answer(codes: RedisCodes, challenge: Challenge, code: str) -> object:
    """Return what came of an answer: the challenge, or the refusal's type and tries left."""
    try:
        return await codes.redeem(challenge.id, SIGN_UP, code)
    except CodeInvalid as refusal:
        return CodeInvalid, refusal.attempts_left
    except Refusal as refusal:
        return type(refusal)


async def test_of_a_hundred_wrong_codes_at_once_five_are_compared(redis: Redis) -> None:
    codes = codes_in(redis)
    challenge = await codes.open(SIGN_UP, EMAIL, uuid4())
    right = int(await codes.issue(challenge))
    wrong = [f"{(right + 1 + n) % 1_000_000:06d}" for n in range(100)]
    answers = await asyncio.gather(*(answer(codes, challenge, code) for code in wrong))
    refused: list[object] = [CodeAttemptsExceeded] * 95
    assert Counter(answers) == Counter([*((CodeInvalid, left) for left in range(5)), *refused])


async def test_of_a_hundred_right_codes_at_once_one_succeeds(redis: Redis) -> None:
    codes = codes_in(redis)
    challenge = await codes.open(SIGN_UP, EMAIL, uuid4())
    code = await codes.issue(challenge)
    answers = await asyncio.gather(*(answer(codes, challenge, code) for _ in range(100)))
    assert answers.count(challenge) == 1
    assert answers.count(CodeExpired) == 99


async def test_a_code_fits_its_purpose_alone_even_where_redis_is_made_to_lie(redis: Redis) -> None:
    """Who can write into Redis, but lacks the pepper, cannot turn one code into another's."""
    codes = codes_in(redis)
    challenge = await codes.open(CodePurpose.PHONE, "+4930123456", uuid4())
    code = await codes.issue(challenge)
    await redis.hset(f"codes:challenge:{challenge.id}", "purpose", "password_reset")  # type: ignore[misc]

    with pytest.raises(CodeInvalid):
        await codes.redeem(challenge.id, CodePurpose.PASSWORD_RESET, code)


async def test_of_many_who_ask_at_once_for_an_address_one_gets_a_code(redis: Redis) -> None:
    codes = codes_in(redis)
    asked = await asyncio.gather(
        *(codes.open(SIGN_UP, EMAIL, uuid4()) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(one, Challenge) for one in asked) == 1
    assert sum(isinstance(one, RateLimited) for one in asked) == 19


async def test_codes_have_every_digit_at_every_place_and_keep_their_zeros(redis: Redis) -> None:
    codes = codes_in(redis, CodePolicy(cooldown=timedelta()))
    challenge = await codes.open(SIGN_UP, EMAIL, uuid4())
    drawn = [await codes.issue(challenge) for _ in range(300)]
    assert {len(code) for code in drawn} == {6}
    assert [set(place) for place in zip(*drawn, strict=True)] == [set("0123456789")] * 6
    while not (code := await codes.issue(challenge)).startswith("0"):
        pass  # one in ten does
    with pytest.raises(CodeInvalid):
        await codes.redeem(challenge.id, SIGN_UP, code.removeprefix("0"))
    assert await codes.redeem(challenge.id, SIGN_UP, code) == challenge


async def test_neither_code_nor_address_nor_a_plain_hash_of_them_is_kept(redis: Redis) -> None:
    codes = codes_in(redis)
    challenge = await codes.open(SIGN_UP, EMAIL, uuid4())
    code = await codes.issue(challenge)
    with pytest.raises(CodeInvalid):
        await codes.redeem(challenge.id, SIGN_UP, f"{(int(code) + 1) % 1_000_000:06d}")
    keys = [key async for key in redis.scan_iter()]
    assert len(keys) == 5
    assert not any(EMAIL.encode() in key for key in keys)
    dump = b"".join([(await redis.dump(key)) or b"" for key in keys])
    assert code.encode() not in dump
    assert all([0 < await redis.pttl(key) <= 86_400_000 for key in keys])


async def test_without_redis_every_call_is_refused() -> None:
    async with Redis.from_url(NOWHERE) as nowhere:
        codes = codes_in(nowhere)
        known = Challenge(
            id=uuid4(),
            purpose=SIGN_UP,
            email=EMAIL,
            account_id=uuid4(),
            resend_at=FakeClock().now(),
            expires_at=FakeClock().now() + timedelta(minutes=10),
        )
        for call in (
            codes.open(SIGN_UP, EMAIL, None),
            codes.reopen(known.id),
            codes.current(SIGN_UP, uuid4()),
            codes.issue(known),
            codes.redeem(known.id, SIGN_UP, "123456"),
        ):
            with pytest.raises(UpstreamUnavailable):
                await call


async def test_of_a_hundred_addresses_at_once_the_allowed_get_a_code_and_one_line_tells_of_it(
    redis: Redis,
) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message} {extra}", level="ERROR")
    codes = codes_in(redis, in_all_per_hour=30)
    asked = (codes.open(SIGN_UP, f"reader{n}@readers.example", uuid4()) for n in range(100))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    logger.remove(sink)
    assert Counter(map(type, answers)) == {Challenge: 30, RateLimited: 70}
    [line] = lines
    assert line.startswith("ERROR Nobody gets a code for now")
    assert "readers.example" not in line
