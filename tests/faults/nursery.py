"""Processes that are at work at once: each is forked from one that has read most code already."""

import asyncio
import importlib
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Self

FORKING = multiprocessing.get_context("forkserver")
# Not what tells the time: some of these processes have a clock of their own.
FORKING.set_forkserver_preload(
    [
        "__main__",
        "db.database",
        "db.job_desk",
        "db.provider_slots",
        "redis.asyncio",
        "usecases.stories.write_story",
    ]
)

Entry = Callable[[list[str]], object]


class Child:
    """A process of the test's own. Its standard input and output are one line to the test."""

    def __init__(self, entry: str, arguments: list[str], environment: dict[str, str]) -> None:
        self._line, theirs = socket.socketpair()
        self._process = FORKING.Process(
            target=_live, args=(theirs, entry, arguments, environment), daemon=True
        )
        self._process.start()
        theirs.close()
        self.stdout: asyncio.StreamReader
        self.stdin: asyncio.StreamWriter

    @classmethod
    async def born(cls, entry: str, arguments: list[str], environment: dict[str, str]) -> Self:
        """Start one that calls `module:function` with the arguments, as its command does."""
        child = cls(entry, arguments, environment)
        child.stdout, child.stdin = await asyncio.open_connection(sock=child._line)
        return child

    @property
    def returncode(self) -> int | None:
        """How it ended, if it has."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self.returncode is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int | None:
        """Wait for its end; tell how it ended."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self.stdin.close()
        return self.returncode


def _live(
    line: socket.socket, entry: str, arguments: list[str], environment: dict[str, str]
) -> None:
    for number in (0, 1):
        os.dup2(line.fileno(), number)
    line.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it lasts as long as the process
    os.environ.update(environment)
    module, _, name = entry.partition(":")
    run: Entry = getattr(importlib.import_module(module), name)
    run(arguments)
