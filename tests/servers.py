"""Servers that tests start, kill and start again."""

import asyncio
import os
import subprocess
from dataclasses import dataclass

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bootstrap.engines import Engine

PATIENCE = 30
"""Seconds that a server may take to start, or its processes to end."""


@dataclass
class Server:
    """An embedded engine as a process of the test."""

    engine: Engine
    process: "subprocess.Popen[bytes]"
    line: int
    """A pipe that all its processes hold: it is hung up when the last of them is gone."""

    @property
    def url(self) -> str:
        """Where it listens; the same after a restart."""
        return self.engine.url

    async def kill(self) -> None:
        """End it as a power cut would (SIGKILL).

        PostgreSQL's other processes notice a little later that their first is gone. Until then they
        hold its shared memory, and no other starts on its data.
        """
        self.process.kill()
        self.process.wait()
        await _hung_up(self.line)

    async def stop(self) -> None:
        """End it in order, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(self.engine.stop_signal)
            await asyncio.to_thread(self.process.wait, PATIENCE)
            await _hung_up(self.line)

    async def start(self) -> None:
        """Start it again, on the data it had."""
        self.process, self.line = await _launch(self.engine)

    async def restart(self) -> None:
        """Stop it in order and start it again."""
        await self.stop()
        await self.start()


async def started(engine: Engine) -> Server:
    """Start an engine and return it when it answers."""
    engine.prepare()
    return Server(engine, *await _launch(engine))


async def _launch(engine: Engine) -> tuple["subprocess.Popen[bytes]", int]:
    line, theirs = os.pipe()
    process = subprocess.Popen(  # noqa: ASYNC220 - it outlives the loop that starts it
        engine.command(),
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[theirs],
    )
    os.close(theirs)
    async with asyncio.timeout(PATIENCE):
        while not await _answers(engine.url):
            if process.poll() is not None:
                raise RuntimeError(f"{engine.name} did not start: exit {process.returncode}")
            await asyncio.sleep(0.02)  # nothing tells when a server listens but asking it
    return process, line


async def _hung_up(line: int) -> None:
    """Wait until nobody holds the other end, and close this one."""
    loop, hung_up = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(line, hung_up.set)
    try:
        async with asyncio.timeout(PATIENCE):
            await hung_up.wait()
    finally:
        loop.remove_reader(line)
        os.close(line)


async def _answers(url: str) -> bool:
    try:
        if url.startswith("redis"):
            async with Redis.from_url(url) as client:
                return bool(await client.ping())
        await (await asyncpg.connect(url)).close()
    except (RedisError, asyncpg.PostgresError, OSError):
        return False
    return True
