"""The programs that the supervisor runs, and keeps running."""

import asyncio
import ctypes
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from bootstrap.console import Console
from bootstrap.guardian import Guardian

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds before a child that died is started again: doubled each time, up to this."""

STEADY_SECONDS = 60.0
"""A child that lived this long died of something new: its pauses begin anew."""

TRIES = 3
"""A child that dies so often in a row and has never been up will not come up."""

PROOF_SECONDS = 5.0
"""A child that cannot be asked counts as having been up when it has lived so long."""

POLL_SECONDS = 0.05
READ_BYTES = 65_536
LONGEST_LINE = 4_096
REMEMBERED_LINES = 20

PR_SET_PDEATHSIG = 1
"""Linux, prctl(2): the signal that a process gets when its parent dies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, how to tell that it is up, and how to stop it.

    It is given the descriptors it `inherits`. Lines like `hidden` are shown only when it dies.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    answers: Callable[[], Awaitable[bool]] | None = None
    inherits: tuple[int, ...] = ()
    hidden: re.Pattern[str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all children share: the console, the guardian, the descriptors that they inherit."""

    console: Console
    guardian: Guardian
    kept_open: tuple[int, ...]


class GaveUp(Exception):  # noqa: N818 - reads as what it is
    """A program ends again and again, and never came up."""


class Child:
    """One program as a running process, started again when it dies."""

    def __init__(self, program: Program, surroundings: Surroundings) -> None:
        self.program = program
        self.up = asyncio.Event()
        self._surroundings = surroundings
        self._was_up = False
        self._stopping = asyncio.Event()
        self._gone = asyncio.Event()
        self._gone.set()
        self._process: asyncio.subprocess.Process | None = None
        self._untold: deque[str] = deque(maxlen=REMEMBERED_LINES)

    async def run_once(self) -> int:
        """Run the program to its end; return its exit code, negative for a signal."""
        guardian = self._surroundings.guardian
        process = await asyncio.create_subprocess_exec(
            *self.program.command,
            env=dict(self.program.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A session of its own: ^C at the terminal reaches the supervisor alone.
            start_new_session=True,
            pass_fds=(*self._surroundings.kept_open, *self.program.inherits),
            preexec_fn=_dies_with_parent(self.program.stop_signal),
        )
        self._process = process
        self._gone.clear()
        guardian.watch(process.pid, self.program.stop_signal)
        if self._stopping.is_set():
            self._signal(self.program.stop_signal)
        try:
            await self._relay(process)
            return await process.wait()
        finally:
            self._process = None
            self._gone.set()
            guardian.forget(process.pid)

    async def keep(self) -> None:
        """Run the program until `stop`, again and again if it dies. Raises GaveUp."""
        deaths = 0
        while not self._stopping.is_set():
            started = monotonic()
            watch = asyncio.create_task(self._notice_when_up(again=deaths > 0))
            try:
                code = await self.run_once()
            finally:
                watch.cancel()
            if self._stopping.is_set():
                return
            deaths = 1 if monotonic() - started > STEADY_SECONDS else deaths + 1
            self._tell_untold()
            if deaths == TRIES and not self._was_up:
                raise GaveUp(
                    f"{self.program.name} ended {TRIES} times and never came up, "
                    f"last with {_ending(code)}: see its lines above"
                )
            pause = min(FIRST_PAUSE * 2 ** (deaths - 1), LONGEST_PAUSE)
            self._surroundings.console.warn(
                f"{self.program.name} ended with {_ending(code)}; it starts again in {pause:g} s"
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def stop(self) -> None:
        """Ask the program to stop, and kill it when it takes too long."""
        self._stopping.set()
        self._signal(self.program.stop_signal)
        try:
            await asyncio.wait_for(self._gone.wait(), self.program.stop_seconds)
        except TimeoutError:
            self._surroundings.console.warn(
                f"{self.program.name} did not stop within {self.program.stop_seconds:g} s: killed"
            )
            if self._process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            await self._gone.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _notice_when_up(self, *, again: bool) -> None:
        if self.program.answers is None:
            self.up.set()
            await asyncio.sleep(PROOF_SECONDS)
        else:
            while not await self.program.answers():  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(POLL_SECONDS)
            self.up.set()
        self._was_up = True
        self._untold.clear()
        if again or self.program.answers is not None:
            self._surroundings.console.note(f"{self.program.name} is {'back' if again else 'up'}")

    async def _relay(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what it writes, line by line, however long the lines and whatever the bytes."""
        if process.stdout is None:
            return
        rest = b""
        while chunk := await process.stdout.read(READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._show(line)
            if len(rest) > LONGEST_LINE:
                self._show(rest)
                rest = b""
        self._show(rest)

    def _show(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip()
        if not line:
            return
        if self.program.hidden is not None and self.program.hidden.search(line):
            self._untold.append(line)
        else:
            self._surroundings.console.relay(self.program.name, line)

    def _tell_untold(self) -> None:
        while self._untold:
            self._surroundings.console.relay(self.program.name, self._untold.popleft())


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name


def _dies_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return what a child does before its program: ask Linux for a signal when its parent dies.

    The signal comes when the *thread* that started it ends, so children start from the main one.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return ask
