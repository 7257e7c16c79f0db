"""`make run` as a person meets it: it comes up, survives, stops, and leaves nothing behind."""

import asyncio
import fcntl
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest

from bootstrap.engines import free_port
from bootstrap.household import ROOT
from bootstrap.probes import http_status
from bootstrap.settings import Settings

# Their default ports are looked for and taken in two steps, so they start one after the other.
pytestmark = pytest.mark.xdist_group("supervisor")

START_SECONDS = 60
STOP_SECONDS = 10
ALL_SETTINGS = frozenset(Settings.model_fields)


@dataclass
class Run:
    """A supervisor, and what it has said so far."""

    process: asyncio.subprocess.Process
    home: Path
    said: list[str] = field(default_factory=list)

    async def says(self, pattern: str, within: float = START_SECONDS) -> str:
        """Wait for a line that matches, and return it."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(within):
                while line := (await self.process.stdout.readline()).decode():
                    self.said.append(line.rstrip())
                    if re.search(pattern, line):
                        return line.rstrip()
        except TimeoutError:
            pytest.fail(f"no line like {pattern!r} in {within} s:\n" + "\n".join(self.said))
        pytest.fail(f"ended without a line like {pattern!r}:\n" + "\n".join(self.said))

    async def ends(self, within: float = STOP_SECONDS) -> int:
        """Wait for its end, and return its exit code."""
        async with asyncio.timeout(within):
            rest, _ = await self.process.communicate()
        self.said += rest.decode().splitlines()
        assert self.process.returncode is not None
        return self.process.returncode

    def child(self, program: str) -> int:
        """Return the process id of a child, by a word of its command line."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _parent(entry) == self.process.pid:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if program in command:
                    return int(entry.name)
        pytest.fail(f"no child {program}")

    async def leaves_nothing(self, within: float = STOP_SECONDS) -> None:
        """Wait until nobody has the data folder: each process of the run holds its lock."""
        deadline = monotonic() + within
        with (self.home / "children.lock").open() as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    assert monotonic() < deadline, "processes of the run are still there"
                    await asyncio.sleep(0.05)
                else:
                    return


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def _contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _identities(home: Path) -> list[int]:
    kept = ("secrets.json", "postgres/data/PG_VERSION", "redis/appendonly.aof", "mail")
    return [(home / name).stat().st_ino for name in kept if (home / name).exists()]


@asynccontextmanager
async def running(home: Path, **settings: str) -> AsyncIterator[Run]:
    """Start a supervisor with nothing set but these, and end it at the latest with the test."""
    unset = {name: value for name, value in os.environ.items() if name.lower() not in ALL_SETTINGS}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bootstrap"),
        cwd=ROOT,
        env={**unset, "STORYLOOM_HOME": str(home), **settings},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    run = Run(process, home)
    try:
        yield run
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
            await run.leaves_nothing()


async def test_it_comes_up_says_where_and_stops_in_order(tmp_path: Path) -> None:
    port = free_port()
    async with running(tmp_path, PORT=str(port)) as run:
        last = await run.says(r"^ready ")
        url = f"http://127.0.0.1:{port}"
        assert re.fullmatch(rf"ready {url}/graphql in \d+\.\d s \(Ctrl-C stops everything\)", last)
        places = dict(line.split(maxsplit=1) for line in run.said if re.match(r"  \w+ +\S", line))
        assert places["GraphiQL"] == f"{url}/graphql"
        assert places["Health"] == f"{url}/health/ready"
        assert await http_status(places["Health"]) == 200
        assert await http_status(f"{places['Inbox']}api/healthz") == 200
        assert [line for line in run.said if "\x1b" in line] == []
        assert re.findall(r"https?://[^\s/]+", "\n".join(run.said))[0] == url

        async with running(tmp_path) as second:
            assert await second.ends() == 1
        assert len(second.said) == 1
        assert f"it runs already at {url}/graphql, as process {run.process.pid}" in second.said[0]

        run.process.send_signal(signal.SIGINT)
        assert await run.ends() == 0
        await run.leaves_nothing(within=1)
    assert run.said[-1] == "storyloom| stopped"
    assert [line for line in run.said if "killed" in line] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_what_dies_is_started_again_and_said_so(tmp_path: Path) -> None:
    async with running(tmp_path, PORT=str(free_port())) as run:
        await run.says(r"^ready ")
        for program, name in {
            "uvicorn": "api",
            "redis-server": "redis",
            "postgres": "postgres",
            "maildev": "mail",
        }.items():
            os.kill(run.child(program), signal.SIGKILL)
            assert await run.says(rf"{name} ended with SIGKILL; it starts again in 0.5 s")
            assert await run.says(rf"{name} is back")
        run.process.send_signal(signal.SIGTERM)
        assert await run.ends() == 0
        await run.leaves_nothing(within=1)


async def test_killed_it_leaves_no_process_and_starts_again_on_the_same_data(
    tmp_path: Path,
) -> None:
    port = str(free_port())
    async with running(tmp_path, PORT=port) as run:
        await run.says(r"^ready ")
        kept = _identities(tmp_path)
        run.process.kill()
        await run.leaves_nothing()
        assert await run.ends() == -signal.SIGKILL
    async with running(tmp_path, PORT=port) as run:
        await run.says(r"^ready ")
        assert _identities(tmp_path) == kept
        run.process.send_signal(signal.SIGHUP)
        assert await run.ends() == 0


async def test_it_uses_the_servers_it_is_told_of_and_starts_none(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with running(
        tmp_path,
        PORT=str(free_port()),
        DATABASE_URL=postgres_url,
        REDIS_URL=redis_url,
        SMTP_HOST="127.0.0.1",
        SMTP_PORT="9",
    ) as run:
        await run.says(r"^ready ")
        assert _contents(tmp_path) == ["children.lock", "secrets.json", "supervisor.lock"]
        run.process.send_signal(signal.SIGINT)
        assert await run.ends() == 0


async def test_a_port_that_was_asked_for_and_is_taken_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running(tmp_path, PORT=str(port)) as run:
            assert await run.ends(START_SECONDS) == 1
    assert "\n".join(run.said) == (
        f"storyloom: PORT is {port}, where something listens already: "
        "choose another, or leave it out and a free one is taken."
    )


async def test_a_start_that_cannot_succeed_ends_by_itself(tmp_path: Path) -> None:
    nowhere = f"postgresql://nobody:secret-word@127.0.0.1:{free_port()}/none"
    async with running(tmp_path, PORT=str(free_port()), DATABASE_URL=nowhere) as run:
        assert await run.ends(START_SECONDS) == 1
        await run.leaves_nothing(within=1)
    assert run.said[-3].endswith(
        "the database could not be brought up to date: see the lines above"
    )
    assert "secret-word" not in "\n".join(run.said)
