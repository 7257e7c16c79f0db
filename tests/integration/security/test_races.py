"""A hundred requests at once, over real HTTP: what may happen once happens once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from httpx2 import AsyncClient, Limits
from sqlalchemy import func, select
from sqlmodel import col

from db.rows import RefreshTokenRow
from domain.codes import CodePurpose
from tests.factories import an_account
from tests.figures import Figures
from tests.integration.accounts.town import REFUSAL, Client, Town, town

MANY = 100
UNLIMITED = {
    "rate_limit_burst": 1_000_000,
    "authentication_burst": 1_000_000,
    "query_cost_per_minute": 1_000_000_000,
    # However long the machine takes for a hundred: the window itself is tried elsewhere.
    "refresh_reuse_grace_seconds": 60,
}


@pytest.fixture
async def place(postgres_url: str, redis_url: str) -> AsyncIterator[Town]:
    """Return a service whose limits do not decide who comes through."""
    async with (
        town(postgres_url, redis_url, **UNLIMITED) as running,
        AsyncClient(timeout=60, limits=Limits(max_connections=MANY)) as patient,
    ):
        yield replace(running, http=patient)


@dataclass
class Burst:
    """Requests that are sent at once; none may be told of a fault."""

    place: Town
    mutation: str

    async def send(self, *inputs: dict[str, str]) -> list[dict[str, Any]]:
        """Run the mutation for each input; return the payloads."""
        return await asyncio.gather(*map(self._ask, inputs))

    async def _ask(self, input_: dict[str, str]) -> dict[str, Any]:
        name, client = self.mutation[0].upper() + self.mutation[1:], Client(self.place)
        query = (
            f"mutation ($input: {name}Input!) {{ {self.mutation}(input: $input) {{ __typename"
            f" ... on {name}Success {{ {SUCCESS[self.mutation]} }} {REFUSAL} }} }}"
        )
        answer = await client.run(query, input=input_)
        assert client.response is not None
        assert client.response.status_code == 200, answer
        payload: dict[str, Any] = answer["data"][self.mutation]
        return payload


SUCCESS = {
    "refreshTokens": "tokens { accessToken refreshToken }",
    "verifyOtp": "account { verifiedAt }",
}


async def test_of_a_hundred_refreshes_at_once_all_get_one_successor(
    place: Town, figures: Figures
) -> None:
    await place.account()
    mira, rounds = Client(place), figures.scale(3, 50)
    await mira.log_in()
    session_id = await mira.session_id()
    burst = Burst(place, "refreshTokens")
    for _ in range(rounds):
        presented = mira.refresh_token or ""
        answers = await burst.send(*[{"refreshToken": presented}] * MANY)
        [successor] = {answer["tokens"]["refreshToken"] for answer in answers}
        assert successor != presented
        mira.refresh_token = successor

    session = await place.container.reads.session(session_id)
    assert session is not None
    assert session.ended_at is None
    async with place.container.engine.connect() as sql:
        assert await sql.scalar(select(func.count()).select_from(RefreshTokenRow)) == rounds + 1
        unused = select(func.count()).where(col(RefreshTokenRow.used_at).is_(None))
        assert await sql.scalar(unused) == 1
    assert "tokens" in await mira.refresh(refreshToken=mira.refresh_token or "")
    figures.show(
        f"{MANY} refreshes of one token at once",
        f"rounds: {rounds}; one successor in each, family alive, no 5xx",
    )


async def test_of_a_hundred_wrong_codes_at_once_five_are_compared(
    place: Town, figures: Figures
) -> None:
    burst, rounds = Burst(place, "verifyOtp"), figures.scale(1, 50)
    for number in range(rounds):
        challenge, right = await _challenge(place, f"wrong-{number}@readers.example")
        wrong = [f"{(int(right) + 1 + n) % 1_000_000:06d}" for n in range(MANY)]
        answers = await burst.send(*({"challengeId": challenge, "code": code} for code in wrong))
        told = Counter(answer["code"] for answer in answers)
        assert told == {"OTP_INVALID": 5, "OTP_ATTEMPTS_EXCEEDED": MANY - 5}
        [late] = await burst.send({"challengeId": challenge, "code": right})
        assert late["code"] == "OTP_ATTEMPTS_EXCEEDED"
    figures.show(f"{MANY} wrong codes at once", f"rounds: {rounds}; 5 compared in each, no 5xx")


async def test_of_a_hundred_right_codes_at_once_one_succeeds(place: Town, figures: Figures) -> None:
    burst, rounds = Burst(place, "verifyOtp"), figures.scale(1, 50)
    for number in range(rounds):
        challenge, code = await _challenge(place, f"right-{number}@readers.example")
        answers = await burst.send(*[{"challengeId": challenge, "code": code}] * MANY)
        told = Counter(answer.get("code", answer["__typename"]) for answer in answers)
        assert told == {"VerifyOtpSuccess": 1, "OTP_EXPIRED": MANY - 1}
    figures.show(f"{MANY} right codes at once", f"rounds: {rounds}; one success in each, no 5xx")


async def _challenge(place: Town, email: str) -> tuple[str, str]:
    """Have somebody sign up; return the id of the challenge and the code in the mail."""
    account = an_account(email=email)
    async with place.container.database.begin() as work:
        await work.accounts.add(account)
    codes = place.container.codes
    challenge = await codes.open(CodePurpose.SIGN_UP, email, account.id)
    return str(challenge.id), await codes.issue(challenge)
