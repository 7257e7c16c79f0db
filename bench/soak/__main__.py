"""`python -m bench.soak`: MINUTES of load and faults (10), SEED (drawn and printed), USERS (30)."""

import asyncio
import os
import random
import secrets
import sys
from collections.abc import Collection
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import mkdtemp

import asyncpg

from bench.soak.crowd import Guest
from bench.soak.faults import Chaos, Planned, plan
from bench.soak.installation import Installation, installed
from bench.soak.invariants import Inquest, untold, vitals_of
from bench.soak.report import summary, verdicts
from bench.soak.tally import Tally
from bench.vitals import Vitals
from tests.clients.graphql import GraphQLApi

QUIET_SECONDS = 180
"""How long everything may take to come to its end once nothing fails any more."""

TELLING_SECONDS = 60
"""How long it may take then until who follows all their stories was told how each ended."""

STATUS_SECONDS = 15
RECOVERY_SECONDS = 5
"""The last part of the load sees no new faults."""

HURRY = (
    "UPDATE jobs SET run_at = now() WHERE state = 'scheduled' AND run_at > now() + interval '5 s'"
)
"""Mails and stories wait up to an hour for their next try: nobody waits for that here."""

LIVE = (
    "SELECT (SELECT count(*) FROM jobs WHERE state IN ('queued', 'running', 'scheduled'))"
    " + (SELECT count(*) FROM provider_slots WHERE until > now())"
)
"""A slot that could not be given back in an outage runs out by itself, after 30 s."""


async def soak(seconds: float, seed: int, users: int, home: Path) -> bool:
    """Load and torment an installation for so long; tell whether it kept its promises."""
    tally = Tally()
    planned = plan(_chance(seed, "plan"), max(0, seconds - RECOVERY_SECONDS))
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(installed(home, tally, _chance(seed, "model")))
        apis = [await stack.enter_async_context(GraphQLApi(url)) for url in place.urls]
        guests = [
            Guest(number, apis, place.urls, place.mail, tally, _chance(seed, f"guest {number}"))
            for number in range(1, users + 1)
        ]
        await asyncio.gather(*(guest.sign_up() for guest in guests))
        before = vitals_of(place)
        _say(f"{users} people have signed up; {len(planned)} faults are planned")
        tally.begin()
        following = [
            asyncio.create_task(guest.follow_library(guest.library))
            for guest in guests
            if guest.library is not None
        ]
        stack.push_async_callback(_end, following)
        middle = await _load(place, guests, Chaos(place, _chance(seed, "faults")), planned, seconds)
        rows = await asyncpg.connect(place.postgres.url)
        stack.push_async_callback(rows.close)
        await _quiet(rows)
        tally.ended_at = tally.now()
        await _told(tally)
        await _end(following)
        _ask_why(tally, following)
        findings = await Inquest(place, rows, before, middle).findings()
        _say(await summary(tally, rows, mails=len(place.mail.mails)))
    _say(verdicts(findings))
    return not any(finding.breaches for finding in findings)


async def _load(
    place: Installation,
    guests: list[Guest],
    chaos: Chaos,
    planned: list[Planned],
    seconds: float,
) -> dict[str, Vitals]:
    """Let everybody loose; return what the processes looked like midway."""
    over = asyncio.Event()
    watching = asyncio.create_task(_watch(place))
    people = [asyncio.create_task(guest.ask_for_stories(over)) for guest in guests]
    torment = asyncio.create_task(chaos(planned))
    await asyncio.sleep(seconds / 2)
    middle = vitals_of(place)
    await asyncio.sleep(seconds / 2)
    over.set()
    await torment
    place.tally.calm_at = place.tally.now()
    _say(f"{place.tally.now():5.0f} s  no more faults; waiting for everything to end")
    await place.ready()
    _, late = await asyncio.wait(people, timeout=QUIET_SECONDS)
    for task in (*late, watching):
        task.cancel()
    await asyncio.wait({*late, watching})
    _ask_why(place.tally, people)
    return middle


async def _watch(place: Installation) -> None:
    """Say now and then how it goes."""
    tally, told = place.tally, 0
    while True:
        await asyncio.sleep(STATUS_SECONDS)
        kinds = ", ".join(blow.kind for blow in tally.blows[told:])
        told = len(tally.blows)
        _say(
            f"{tally.now():5.0f} s  {len(tally.wishes)} stories asked for,"
            f" {tally.counts['events']} events;  {kinds}"
        )


async def _quiet(rows: asyncpg.Connection) -> None:
    """Wait until nothing is left to do, but not for ever: then the checks tell what is left."""
    for _ in range(QUIET_SECONDS):
        await rows.execute(HURRY)
        if not await rows.fetchval(LIVE):
            return
        await asyncio.sleep(1)  # only the table tells


async def _told(tally: Tally) -> None:
    """Wait until nobody waits for the end of a story any more; where that takes long, say so."""
    for _ in range(TELLING_SECONDS):
        if not untold(tally):
            return
        await asyncio.sleep(1)  # anybody may be the last who is told


def _ask_why(tally: Tally, clients: Collection["asyncio.Task[None]"]) -> None:
    """Note who ended by a fault."""
    for task in clients:
        if not task.cancelled() and (error := task.exception()):
            tally.broken.append(f"a client gave up: {type(error).__name__}: {error}")


async def _end(tasks: Collection["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _chance(seed: int, whose: str) -> random.Random:
    """Everybody has chances of their own, which no other's pace disturbs."""
    return random.Random(f"{seed} {whose}")  # noqa: S311 - repeatable, and guards nothing


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Soak, and exit with 1 where a promise was broken."""
    seed = int(os.environ.get("SEED") or secrets.randbelow(1_000_000))
    seconds = float(os.environ.get("MINUTES") or 10) * 60
    users = int(os.environ.get("USERS") or 30)
    home = Path(mkdtemp(prefix="storyloom-soak-"))
    home.chmod(0o755)  # PostgreSQL may have to run as another user
    _say(f"SEED={seed}; the logs are in {home}")
    kept = asyncio.run(soak(seconds, seed, users, home))
    _say(
        f"{'Every promise was kept.' if kept else 'A promise was broken.'}"
        f" SEED={seed}; the logs are in {home}"
    )
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
