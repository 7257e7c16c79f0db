"""A Storyloom of the soak's own: every backend stands behind a network that can fail."""

import asyncio
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from bench.soak.model import ChattyModel
from bench.soak.tally import Tally
from bootstrap.engines import DISPOSABLE, EmbeddedPostgres, EmbeddedRedis, free_port
from bootstrap.household import API_OPTIONS
from db.migrations import migrate
from tests.faults.proxy import FaultProxy
from tests.gemini_server import GeminiServer
from tests.servers import Server, started
from tests.smtp_server import SmtpServer

ROOT = Path(__file__).parents[2]
APIS, WORKERS = 2, 3
POOL_SIZE = 10
LEASE_SECONDS = 10
DRAIN_SECONDS = 4
GRACE_SECONDS = 30
"""How long a process may take to stop: its drain, and time-outs of backends that are away."""

READY_SECONDS = 60
ESTABLISHED_SECONDS = 20
"""A process that ends by itself sooner than that could not start: its backends were away."""

SETTINGS = {
    "SMTP_SECURITY": "none",
    "SMTP_TIMEOUT_SECONDS": "5",
    "STORYTELLER": "gemini",
    "STORYTELLER_CONCURRENCY": "16",
    "GEMINI_FIRST_CHUNK_SECONDS": "4",
    "GEMINI_CHUNK_SECONDS": "4",
    "GEMINI_TOTAL_SECONDS": "60",
    "DATABASE_POOL_SIZE": str(POOL_SIZE),
    "ARGON2_MEMORY_KIB": "1024",
    "ARGON2_TIME_COST": "1",
    "CODE_COOLDOWN_SECONDS": "1",
    "RATE_LIMIT_BURST": "100000",
    "RATE_LIMIT_PER_MINUTE": "1000000",
    "AUTHENTICATION_BURST": "100000",
    "AUTHENTICATION_PER_MINUTE": "1000000",
    "STORY_BURST": "100000",
    "STORY_PER_MINUTE": "1000000",
    "QUERY_COST_PER_MINUTE": "1000000000",
    "STORIES_PER_DAY": "1000000",
    "STORIES_PER_MONTH": "1000000",
    "STORIES_AT_ONCE": "1000",
    "SOCKETS_PER_ADDRESS": "10000",
    "SOCKETS_PER_ACCOUNT": "100",
    "JOB_LEASE_SECONDS": str(LEASE_SECONDS),
    "DRAIN_SECONDS": str(DRAIN_SECONDS),
}


@dataclass
class Process:
    """A process of the service, started again whenever it ends: what supervisors do."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    tally: Tally
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whoever ends it or starts it holds this meanwhile."""

    since: float = 0
    _running: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        """The number of the one that runs."""
        assert self._running is not None
        return self._running.pid

    @property
    def runs(self) -> bool:
        """Whether it does."""
        return self._running is not None and self._running.poll() is None

    def start(self) -> "subprocess.Popen[bytes] | None":
        """Start one more, and return the one before it."""
        before, self.since = self._running, time.monotonic()
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", *self.command],
                cwd=ROOT,
                env=dict(self.environment),
                stdout=log,
                stderr=log,
            )
        return before

    async def kill(self) -> None:
        """End it as a power cut would."""
        assert self._running is not None
        self._running.kill()
        await asyncio.to_thread(self._running.wait)

    async def stop(self, one: "subprocess.Popen[bytes] | None" = None) -> None:
        """End it in order, or one that ran before it."""
        ending = one or self._running
        if ending is None or ending.poll() is not None:
            return
        ending.terminate()
        try:
            await asyncio.to_thread(ending.wait, GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.tally.deaths.append(f"{self.name} did not stop within {GRACE_SECONDS} s")
            ending.kill()
            await asyncio.to_thread(ending.wait)

    def pause(self) -> None:
        """Let it stand still."""
        assert self._running is not None
        self._running.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on where it stood."""
        assert self._running is not None
        self._running.send_signal(signal.SIGCONT)

    async def watch(self) -> None:
        """Start it again whenever it ends by itself."""
        while True:
            await asyncio.sleep(1)  # a child that may be started by anybody can only be looked at
            async with self.turn:
                if self.runs:
                    continue
                assert self._running is not None
                lived = time.monotonic() - self.since
                self.tally.count("starts that failed for want of a backend")
                if lived > ESTABLISHED_SECONDS:
                    code = self._running.returncode
                    self.tally.deaths.append(f"{self.name} ended by itself with {code}")
                self.start()


@dataclass
class Installation:
    """The servers, the networks before them, and the processes of the service."""

    home: Path
    tally: Tally
    postgres: Server
    redis: Server
    mail: SmtpServer
    model: ChattyModel
    networks: dict[str, FaultProxy]
    apis: list[Process]
    workers: list[Process]
    ports: list[int]
    settings: dict[str, str]
    watching: list["asyncio.Task[None]"] = field(default_factory=list)
    """Who starts the processes again that ended."""

    @property
    def processes(self) -> list[Process]:
        """All of the service."""
        return [*self.apis, *self.workers]

    @property
    def urls(self) -> list[str]:
        """Where GraphQL is."""
        return [f"http://127.0.0.1:{port}/graphql" for port in self.ports]

    @property
    def logs(self) -> list[Path]:
        """What the service wrote."""
        return [process.log for process in self.processes]

    async def ready(self) -> None:
        """Wait until every API says that all its parts are there. Raises TimeoutError."""
        async with asyncio.timeout(READY_SECONDS), httpx2.AsyncClient(trust_env=False) as client:
            for port in self.ports:
                while not await _is_ready(client, port):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)  # readiness can only be asked for

    def watch(self) -> None:
        """Start processes again whenever they end by themselves, from now on."""
        self.watching = [asyncio.create_task(process.watch()) for process in self.processes]

    async def stop(self) -> None:
        """Stop all processes in order, for good."""
        for watch in self.watching:
            watch.cancel()
        await asyncio.gather(*self.watching, return_exceptions=True)
        await asyncio.gather(*(process.stop() for process in self.processes))


async def _is_ready(client: httpx2.AsyncClient, port: int) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{port}/health/ready")).is_success
    except httpx2.TransportError:
        return False


@asynccontextmanager
async def installed(home: Path, tally: Tally, chance: random.Random) -> AsyncIterator[Installation]:
    """Start everything; it is stopped at the end of the block, and its data removed."""
    async with AsyncExitStack() as stack:
        for data in ("postgres", "redis"):
            stack.callback(shutil.rmtree, home / data, ignore_errors=True)
        postgres = await started(EmbeddedPostgres(home / "postgres", free_port(), DISPOSABLE))
        stack.push_async_callback(postgres.stop)
        redis = await started(EmbeddedRedis(home / "redis", free_port()))
        stack.push_async_callback(redis.stop)
        await migrate(postgres.url)
        mail = await stack.enter_async_context(SmtpServer())
        model = ChattyModel(chance)
        gemini = await stack.enter_async_context(GeminiServer(unscripted=model))
        networks = {
            "PostgreSQL": FaultProxy.before(postgres.url),
            "Redis": FaultProxy.before(redis.url),
            "mail": FaultProxy("127.0.0.1", mail.port),
            "model": FaultProxy.before(gemini.url),
        }
        for network in networks.values():
            await stack.enter_async_context(network)
        settings = SETTINGS | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "STORYLOOM_HOME": str(home),
            "DATABASE_URL": networks["PostgreSQL"].url,
            "REDIS_URL": networks["Redis"].url,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(networks["mail"].port),
            "GEMINI_BASE_URL": networks["model"].url,
            "GEMINI_API_KEY": secrets.token_urlsafe(24),
            "TOKEN_SIGNING_KEY": secrets.token_urlsafe(32),
            "CODE_PEPPER": secrets.token_urlsafe(32),
            "FACTOR_KEY": secrets.token_urlsafe(32),
        }
        names = ("GEMINI_API_KEY", "TOKEN_SIGNING_KEY", "CODE_PEPPER", "FACTOR_KEY")
        tally.secrets |= {settings[name] for name in names}
        ports = [free_port() for _ in range(APIS)]
        settings["PUBLIC_URL"] = f"http://127.0.0.1:{ports[0]}"
        apis = [
            Process(f"api-{n}", _api(port), settings, home / f"api-{n}.log", tally)
            for n, port in enumerate(ports, 1)
        ]
        workers = [
            Process(
                f"worker-{n}",
                ("arq", "workers.WorkerSettings"),
                settings,
                home / f"worker-{n}.log",
                tally,
            )
            for n in range(1, WORKERS + 1)
        ]
        place = Installation(
            home, tally, postgres, redis, mail, model, networks, apis, workers, ports, settings
        )
        stack.push_async_callback(place.stop)
        for process in place.processes:
            process.start()
        await place.ready()
        place.watch()
        yield place


def _api(port: int) -> tuple[str, ...]:
    """Return the command of the image."""
    return (
        *("uvicorn", "api.app:create_app", *API_OPTIONS, "--port", str(port)),
        *("--timeout-graceful-shutdown", str(DRAIN_SECONDS)),
    )
