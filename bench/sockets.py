"""How many sockets one API process carries, and what becomes of clients that never read.

    .venv/bin/python -m bench.sockets --sockets 10000 --silent 100

Starts a PostgreSQL, a Redis and one API process, lets crowds of clients follow stories, and writes
their events through the event log itself, as a worker does.
"""

import argparse
import asyncio
import json
import resource
import secrets
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from loguru import logger

from bench.crowd import STAMP
from bench.vitals import Vitals
from bootstrap.container import Container, open_container
from bootstrap.engines import DISPOSABLE, EmbeddedPostgres, EmbeddedRedis, free_port
from bootstrap.settings import Settings
from db.migrations import migrate
from domain.accounts import AccountStatus
from domain.events import ChapterStarted, StageChanged, TextAppended, utf16_length
from domain.sessions import Device
from domain.stories import StoryStatus
from schema.nodes import STORY, global_id
from tests.deployment import ROOT, Deployment
from tests.documents import recipe
from tests.factories import an_account
from tests.servers import started
from usecases.ports.live import EventWriter, Topic
from usecases.stories.request_story import StoryOrder

SPARE_DESCRIPTORS = 500
"""What a process needs beside its sockets."""

KEYS = ("TOKEN_SIGNING_KEY", "CODE_PEPPER", "FACTOR_KEY")
PLENTY = "1000000000"
LIMITS = (
    "SOCKETS_PER_ADDRESS",
    "SOCKETS_PER_ACCOUNT",
    "RATE_LIMIT_BURST",
    "RATE_LIMIT_PER_MINUTE",
    "QUERY_COST_PER_MINUTE",
    "STORIES_AT_ONCE",
    "STORIES_PER_DAY",
    "STORIES_PER_MONTH",
)
CROWD_PATIENCE = 600
SENTENCE = " The keeper's daughter ran down the stairs, and the sea was as loud as ever."


@dataclass(frozen=True)
class Scale:
    """How much is asked of the process. `events` is how many are appended a second, in all."""

    sockets: int
    silent: int
    accounts: int = 20
    stories: int = 100
    crowds: int = 2
    events: float = 5
    seconds: float = 30
    patience: float = 30

    @property
    def followers(self) -> float:
        """How many follow a story."""
        return self.sockets / self.stories


@dataclass(frozen=True)
class Outcome:
    """What was seen. Times are in seconds; `api` is the process after it was watched."""

    connected: int
    failures: Counter[str]
    connect_seconds: float
    connect_cpu: float
    lost: int
    latencies: Counter[int]
    hung_up_after: list[float]
    api: Vitals
    share_of_core: float
    """What the process took of one core while it was watched."""

    def latency(self, share: float) -> float:
        """Return the latency that so large a share of the texts did not exceed."""
        wanted, seen = share * sum(self.latencies.values()), 0
        for milliseconds in sorted(self.latencies):
            seen += self.latencies[milliseconds]
            if seen >= wanted:
                return (milliseconds + 1) / 1000
        return 0


@dataclass(frozen=True)
class Servers:
    """Where to measure."""

    database_url: str
    redis_url: str
    home: Path


async def measure(scale: Scale, servers: Servers) -> Outcome:
    """Fill one API process with sockets and watch it."""
    raise_descriptors(scale.sockets + SPARE_DESCRIPTORS)
    deployment = Deployment(
        servers.database_url, servers.redis_url, free_port(), servers.home, _environment(servers)
    )
    given: dict[str, Any] = {name.lower(): value for name, value in deployment.settings.items()}
    settings = Settings(_env_file=None, **given)
    async with AsyncExitStack() as stack:
        deployment.start_api()
        stack.push_async_callback(deployment.stop)
        await _until_it_lives(deployment)
        container = await stack.enter_async_context(open_container(settings, "worker"))
        shelf = await _stories(container, scale)
        writing = asyncio.create_task(_write(container, [one.topic for one in shelf], scale))
        stack.callback(writing.cancel)
        crowds = [
            await stack.enter_async_context(_crowd(deployment, shelf, scale, number))
            for number in range(scale.crowds)
        ]
        assert deployment.api is not None
        api, began = deployment.api.pid, time.monotonic()
        arrived = await _answers(crowds)
        connect_seconds, connect_cpu = time.monotonic() - began, Vitals.of(api).cpu_seconds
        await _go_on(crowds)
        await asyncio.sleep(scale.seconds)
        vitals = Vitals.of(api)
        await _go_on(crowds)
        seen = await _answers(crowds)
    return Outcome(
        connected=sum(answer["connected"] for answer in arrived),
        failures=_sum(answer["failures"] for answer in arrived),
        connect_seconds=connect_seconds,
        connect_cpu=connect_cpu,
        lost=sum(answer["lost"] for answer in seen),
        latencies=_sum({int(ms): n for ms, n in one["latencies"].items()} for one in seen),
        hung_up_after=[wait for answer in seen for wait in answer["hung_up_after"]],
        api=vitals,
        share_of_core=(vitals.cpu_seconds - connect_cpu) / scale.seconds,
    )


def _environment(servers: Servers) -> dict[str, str]:
    """Return settings that hold nobody back, for the API and for who writes in its place."""
    return {
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "STORYLOOM_HOME": str(servers.home),
        "ACCESS_TOKEN_MINUTES": "60",
        **{name: secrets.token_urlsafe(32) for name in KEYS},
        **dict.fromkeys(LIMITS, PLENTY),
    }


def raise_descriptors(wanted: int) -> None:
    """Let this process and its children open so many files. Raises OSError where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard < wanted:
            raise OSError(f"{wanted} open files are needed, {hard} allowed: `ulimit -Hn {wanted}`")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass(frozen=True)
class _OnTheShelf:
    """A story that can be followed, and a token of its owner."""

    topic: Topic
    token: str


async def _stories(container: Container, scale: Scale) -> list[_OnTheShelf]:
    use_cases, shelf = container.use_cases, list[_OnTheShelf]()
    owners = []
    for _ in range(scale.accounts):
        async with container.database.begin() as work:
            account = await work.accounts.add(an_account(status=AccountStatus.ACTIVE))
            device = Device(client_address="127.0.0.1", user_agent="bench")
            owners.append(await use_cases.log_in.open_session(work, account, device))
    for number in range(scale.stories):
        owner = owners[number % scale.accounts]
        story = await use_cases.request_story(StoryOrder(owner.account.id, {}))
        shelf.append(_OnTheShelf(Topic(owner.account.id, story.id), owner.tokens.access_token))
    return shelf


async def _write(container: Container, topics: Sequence[Topic], scale: Scale) -> None:
    """Append a sentence to one story after another, evenly over time, for ever."""
    loop = asyncio.get_running_loop()
    writers = [container.event_log.writer(topic, 1) for topic in topics]
    offsets = [0] * len(writers)
    for writer in writers:
        await _begin(writer)
    number, next_at = 0, loop.time()
    while True:
        text = f"{STAMP}{time.monotonic_ns()} {SENTENCE}"
        place = number % len(writers)
        await writers[place].append(TextAppended(chapter=1, offset=offsets[place], text=text))
        offsets[place] += utf16_length(text)
        number, next_at = number + 1, next_at + 1 / scale.events
        await asyncio.sleep(next_at - loop.time())


async def _begin(writer: EventWriter) -> None:
    await writer.append(StageChanged(stage=StoryStatus.WRITING))
    await writer.append(ChapterStarted(chapter=1, of=1, title="On"))


@asynccontextmanager
async def _crowd(
    deployment: Deployment, shelf: Sequence[_OnTheShelf], scale: Scale, number: int
) -> AsyncIterator[Process]:
    mine = range(number, scale.sockets, scale.crowds)
    at_table = [shelf[place // scale.crowds % len(shelf)] for place in mine]
    task = {
        "url": f"{deployment.url.replace('http', 'ws', 1)}/graphql",
        "query": recipe()["StoryEvents"],
        "seats": [(one.token, _public_id(one.topic)) for one in at_table],
        "silent": len(range(number, scale.silent, scale.crowds)),
        "patience": scale.patience,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.crowd"), stdin=PIPE, stdout=PIPE, cwd=ROOT, limit=2**26
    )
    try:
        await _go_on([process], task)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _public_id(topic: Topic) -> str:
    assert topic.story_id is not None
    return global_id(STORY, topic.story_id)


async def _go_on(crowds: Sequence[Process], task: object = None) -> None:
    for crowd in crowds:
        assert crowd.stdin is not None
        crowd.stdin.write(json.dumps(task).encode() + b"\n")
        await crowd.stdin.drain()


async def _answers(crowds: Sequence[Process]) -> list[dict[str, Any]]:
    async with asyncio.timeout(CROWD_PATIENCE):
        return [json.loads(await crowd.stdout.readline()) for crowd in crowds if crowd.stdout]


def _sum(counts: Iterable[Mapping[Any, int]]) -> Counter[Any]:
    return sum(map(Counter, counts), Counter())


async def _until_it_lives(deployment: Deployment) -> None:
    async with asyncio.timeout(30), httpx2.AsyncClient(base_url=deployment.url) as client:
        while True:
            try:
                if (await client.get("/health/live")).is_success:
                    return
            except httpx2.TransportError:
                assert deployment.api is not None
                assert deployment.api.poll() is None, deployment.log("api")
            await asyncio.sleep(0.05)  # it can only be asked for


def report(scale: Scale, seen: Outcome) -> str:
    """Write down what was seen."""
    waits = sorted(seen.hung_up_after)
    rows = {
        "connected": f"{seen.connected} of {scale.sockets} in {seen.connect_seconds:.1f} s",
        "lost": f"{seen.lost}",
        "failed": f"{seen.failures.total()}",
        **{f"  {count} times": why for why, count in seen.failures.most_common(5)},
        "memory of the API": f"{seen.api.mebibytes} MiB, {seen.api.peak} MiB at most",
        "work of the API": f"{seen.connect_cpu:.1f} s to connect, then "
        f"{seen.share_of_core * 100:.0f} % of a core",
        "hung up on": f"{len(waits)} of {scale.silent} that never read"
        + (f", after {waits[0]:.1f} to {waits[-1]:.1f} s" if waits else ""),
        "delivered": f"{seen.latencies.total()} texts to {scale.followers:g} followers each",
        "  after": f"{seen.latency(0.5):.3f} s (p50), {seen.latency(0.99):.3f} s (p99)",
    }
    return "\n".join(f"{name:<20}{what}" for name, what in rows.items())


async def main(scale: Scale) -> None:
    """Start the servers, measure and print."""
    logger.remove()
    with tempfile.TemporaryDirectory(prefix="storyloom-bench-") as folder:
        home = Path(folder)
        postgres = await started(EmbeddedPostgres(home / "postgres", free_port(), DISPOSABLE))
        redis = await started(EmbeddedRedis(home / "redis", free_port()))
        try:
            await migrate(postgres.url)
            seen = await measure(scale, Servers(postgres.url, redis.url, home))
            print(report(scale, seen))
        finally:
            await redis.stop()
            await postgres.stop()


def _asked() -> Scale:
    parser = argparse.ArgumentParser(prog="bench.sockets", description=__doc__)
    defaults = Scale(sockets=10_000, silent=100)
    for name, kind in Scale.__annotations__.items():
        parser.add_argument(f"--{name}", type=kind, default=getattr(defaults, name))
    return Scale(**vars(parser.parse_args()))


if __name__ == "__main__":
    asyncio.run(main(_asked()))
