"""How long an answer takes tells nobody who has an account.

Known and unknown addresses take turns. They may differ by chance alone (a sign test at 1 in 100),
or by less than network jitter, 2 ms. TIMING_PAIRS sets how many turns there are.
"""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from math import comb
from statistics import median

import pytest

from domain.codes import CodePurpose
from tests.integration.accounts.town import NEW_PASSWORD, PASSWORD, Client, Town, town

PAIRS = int(os.environ.get("TIMING_PAIRS", "30"))
JITTER_SECONDS = 0.002
CHANCE = 0.01

Ask = Callable[[Client, str], Awaitable[object]]


@pytest.fixture
async def place(postgres_url: str, redis_url: str) -> AsyncIterator[Town]:
    limits = {
        "rate_limit_burst": 100_000,
        "authentication_burst": 100_000,
        "query_cost_per_minute": 100_000_000,
    }
    async with town(postgres_url, redis_url, **limits) as running:
        yield running


async def _log_in(client: Client, email: str) -> object:
    return await client.ask("logIn", email=email, password="a wrong password")


async def _sign_up(client: Client, email: str) -> object:
    return await client.ask("signUp", email=email, password=PASSWORD, displayName="Somebody new")


async def _ask_for_reset(client: Client, email: str) -> object:
    return await client.ask("requestPasswordReset", email=email)


@pytest.mark.parametrize("ask", [_log_in, _sign_up, _ask_for_reset])
async def test_known_and_unknown_addresses_take_as_long(place: Town, ask: Ask) -> None:
    client = Client(place)
    differences = []
    for number in range(PAIRS + 3):
        known, unknown = f"known-{number}@readers.example", f"other-{number}@readers.example"
        await place.account(known)
        pair = [(known, 1), (unknown, -1)][:: 1 if number % 2 else -1]
        difference = 0.0
        for email, sign in pair:
            difference += sign * await _seconds(ask(client, email))
        differences.append(difference)

    assert _are_alike(differences[3:]), f"{median(differences[3:]) * 1000:.2f} ms"


async def test_codes_for_known_and_unknown_addresses_take_as_long(place: Town) -> None:
    client, codes = Client(place), place.container.codes
    differences = []
    for number in range(PAIRS + 3):
        email = f"known-{number}@readers.example"
        account = await place.account(email)
        purpose = CodePurpose.PASSWORD_RESET
        known = await codes.open(purpose, email, account.id)
        await codes.issue(known)
        decoy = await codes.open(purpose, f"other-{number}@readers.example", None)
        difference = 0.0
        for challenge, sign in [(known, 1), (decoy, -1)][:: 1 if number % 2 else -1]:
            guess = client.ask(
                "completePasswordReset",
                challengeId=str(challenge.id),
                code="00000000",
                newPassword=NEW_PASSWORD,
            )
            difference += sign * await _seconds(guess)
        differences.append(difference)

    assert _are_alike(differences[3:]), f"{median(differences[3:]) * 1000:.2f} ms"


async def _seconds(answer: Awaitable[object]) -> float:
    began = time.perf_counter()
    await answer
    return time.perf_counter() - began


def _are_alike(differences: list[float]) -> bool:
    import sys; sys.stderr.write(f'MEDIAN {median(differences)*1000:.3f} ms of {len(differences)}, longer {sum(d>0 for d in differences)}\n')
    longer, pairs = sum(difference > 0 for difference in differences), len(differences)
    tail = range(max(longer, pairs - longer), pairs + 1)
    by_chance = min(1.0, 2 * sum(comb(pairs, count) for count in tail) / 2**pairs)
    return abs(median(differences)) <= JITTER_SECONDS or by_chance > CHANCE
