"""Storyloom as an operator runs it: API and worker processes on real servers, for a test."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx2

from bootstrap.engines import free_port
from bootstrap.household import API_OPTIONS

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30
"""Seconds that a process may take to be ready, or to stop."""


@dataclass
class Deployment:
    """One API process and any number of workers, with settings of their own."""

    database_url: str
    redis_url: str
    smtp_port: int
    logs: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    api: "subprocess.Popen[bytes] | None" = None
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    _secrets: dict[str, str] = field(
        default_factory=lambda: {
            "TOKEN_SIGNING_KEY": secrets.token_urlsafe(32),
            "CODE_PEPPER": secrets.token_urlsafe(32),
            "FACTOR_KEY": secrets.token_urlsafe(32),
        }
    )

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self.start_api()
        self.start_worker()
        try:
            await self.ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End all processes in order."""
        for process in (*self.workers, *([self.api] if self.api else [])):
            if process.poll() is None:
                process.terminate()
        for process in (*self.workers, *([self.api] if self.api else [])):
            await asyncio.to_thread(process.wait, PATIENCE)

    def start_api(self) -> None:
        """Start the API as the image does."""
        self.api = self._start(
            "api",
            *("uvicorn", "api.app:create_app", *API_OPTIONS, "--port", str(self.port)),
        )

    def start_worker(self, what: str = "workers.WorkerSettings") -> "subprocess.Popen[bytes]":
        """Start one more worker."""
        worker = self._start("worker", "arq", what)
        self.workers.append(worker)
        return worker

    async def stop_worker(self) -> None:
        """End the newest worker in order."""
        worker = self.workers.pop()
        worker.terminate()
        await asyncio.to_thread(worker.wait, PATIENCE)

    async def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """End a process as a power cut would."""
        process.kill()
        await asyncio.to_thread(process.wait)

    async def restart_api(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the API and start it again on the same port."""
        assert self.api is not None
        self.api.send_signal(how)
        await asyncio.to_thread(self.api.wait, PATIENCE)
        self.start_api()
        await self.ready()

    async def ready(self) -> None:
        """Wait until the API says that all its parts are there."""
        async with asyncio.timeout(PATIENCE), httpx2.AsyncClient(base_url=self.url) as client:
            while not await self._is_ready(client):
                assert self.api is not None
                assert self.api.poll() is None, self.log("api")
                await asyncio.sleep(0.05)  # readiness can only be asked for

    async def _is_ready(self, client: httpx2.AsyncClient) -> bool:
        try:
            return (await client.get("/health/ready")).is_success
        except httpx2.TransportError:
            return False

    def log(self, name: str) -> str:
        """Return what a process has written so far: `api` or `worker`."""
        return (self.logs / f"{name}.log").read_text()

    def _start(self, name: str, *command: str) -> "subprocess.Popen[bytes]":
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.smtp_port),
            "SMTP_SECURITY": "none",
            "PUBLIC_URL": self.url,
            "STORYLOOM_HOME": str(self.logs),
            "DATABASE_POOL_SIZE": "5",
            "OFFLINE_WORDS_PER_MINUTE": "20000",
            "ARGON2_MEMORY_KIB": "1024",
            "ARGON2_TIME_COST": "1",
            "CODE_COOLDOWN_SECONDS": "1",
            "RATE_LIMIT_BURST": "1000",
            "RATE_LIMIT_PER_MINUTE": "10000",
            "AUTHENTICATION_BURST": "1000",
            "STORY_BURST": "1000",
            "STORIES_PER_DAY": "100",
            "STORIES_PER_MONTH": "100",
            "JOB_LEASE_SECONDS": "3",
            "DRAIN_SECONDS": "2",
            **self._secrets,
            **self.settings,
        }
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
