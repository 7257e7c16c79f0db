"""How long an answer takes tells nobody who has an account.

Known and unknown addresses take turns. They may differ by chance alone (a sign test at 1 in 100),
or by less than network jitter, 2 ms. Passwords cost what they cost in production: work that is
left out for unknown addresses must show.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from math import comb
from statistics import median
from uuid import UUID

import pytest

from bootstrap.settings import Settings
from domain.codes import Challenge, CodePurpose
from tests.factories import an_account
from tests.figures import Figures
from tests.integration.accounts.town import NEW_PASSWORD, PASSWORD, Client, Town, town

JITTER_MILLISECONDS = 2
CHANCE = 0.01
WARM_UP = 3

Ask = Callable[[Client, str], Awaitable[object]]


@pytest.fixture
async def place(postgres_url: str, redis_url: str) -> AsyncIterator[Town]:
    limits = {
        "rate_limit_burst": 100_000,
        "authentication_burst": 100_000,
        "codes_in_all_per_hour": 100_000,
        "query_cost_per_minute": 100_000_000,
        "argon2_memory_kib": Settings.model_fields["argon2_memory_kib"].default,
        "argon2_time_cost": Settings.model_fields["argon2_time_cost"].default,
    }
    async with town(postgres_url, redis_url, **limits) as running:
        yield running


async def _log_in(client: Client, email: str) -> object:
    return await client.ask("logIn", email=email, password="a wrong password")


async def _sign_up(client: Client, email: str) -> object:
    return await client.ask("signUp", email=email, password=PASSWORD, displayName="Somebody new")


async def _ask_for_reset(client: Client, email: str) -> object:
    return await client.ask("requestPasswordReset", email=email)


@pytest.fixture
async def known(place: Town, figures: Figures) -> list[UUID]:
    """Make the accounts known-0, known-1 and so on: all have one hash, which takes a while."""
    digest = await place.container.use_cases.sign_up.passwords.hash(PASSWORD)
    accounts = [
        an_account(email=_known(number), password_hash=digest).activate(place.container.clock.now())
        for number in range(WARM_UP + figures.scale(25, 1_000))
    ]
    async with place.container.database.begin() as work:
        for account in accounts:
            await work.accounts.add(account)
    return [account.id for account in accounts]


def _known(number: int) -> str:
    return f"known-{number}@readers.example"


def _unknown(number: int) -> str:
    return f"other-{number}@readers.example"


@pytest.mark.parametrize(
    ("what", "ask"), [("log-in", _log_in), ("sign-up", _sign_up), ("reset", _ask_for_reset)]
)
async def test_known_and_unknown_addresses_take_as_long(
    place: Town, known: list[UUID], figures: Figures, what: str, ask: Ask
) -> None:
    client = Client(place)
    pairs = [
        await _pair(number, ask(client, _known(number)), ask(client, _unknown(number)))
        for number in range(len(known))
    ]
    _hold(figures, what, pairs[WARM_UP:])


async def test_codes_for_known_and_unknown_addresses_take_as_long(
    place: Town, known: list[UUID], figures: Figures
) -> None:
    client, codes, purpose = Client(place), place.container.codes, CodePurpose.PASSWORD_RESET

    def guess(challenge: Challenge) -> Awaitable[object]:
        return client.ask(
            "completePasswordReset",
            challengeId=str(challenge.id),
            code="00000000",
            newPassword=NEW_PASSWORD,
        )

    pairs = []
    for number, account_id in enumerate(known):
        asked = await codes.open(purpose, _known(number), account_id)
        await codes.issue(asked)
        decoy = await codes.open(purpose, _unknown(number), None)
        pairs.append(await _pair(number, guess(asked), guess(decoy)))
    _hold(figures, "code", pairs[WARM_UP:])


async def _pair(
    number: int, known: Awaitable[object], unknown: Awaitable[object]
) -> tuple[float, float]:
    """Time a known and an unknown address; they take turns in being the first."""
    if number % 2:
        first = await _seconds(known)
        return first, await _seconds(unknown)
    first = await _seconds(unknown)
    return await _seconds(known), first


async def _seconds(answer: Awaitable[object]) -> float:
    began = time.perf_counter()
    await answer
    return time.perf_counter() - began


def _hold(figures: Figures, what: str, pairs: list[tuple[float, float]]) -> None:
    known, unknown = (median(times) * 1000 for times in zip(*pairs, strict=True))
    # Within a pair, for what else the machine does comes and goes.
    apart = abs(median(one - other for one, other in pairs)) * 1000
    longer, turns = sum(one > other for one, other in pairs), len(pairs)
    tail = range(max(longer, turns - longer), turns + 1)
    by_chance = min(1.0, 2 * sum(comb(turns, count) for count in tail) / 2**turns)
    seen = f"medians {known:.2f} and {unknown:.2f} ms, pairs {apart:.2f} ms apart"
    assert apart <= JITTER_MILLISECONDS or by_chance > CHANCE, seen
    figures.show(
        f"time of {what} for known and unknown addresses",
        f"samples: {2 * len(pairs):,}; {seen}, p = {by_chance:.2g}",
    )
