"""Starts everything in order, keeps it running, says where it is, and stops it in order."""

import asyncio
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from bootstrap.children import Child, GaveUp, Program, Surroundings
from bootstrap.console import Console
from bootstrap.engines import EmbeddedPostgres
from bootstrap.guardian import Guardian
from bootstrap.household import Household, address, create_database
from bootstrap.probes import http_status
from bootstrap.sole_run import SoleRun

STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
READY = 200
READY_POLL_SECONDS = 0.1
TERMINAL_POLL_SECONDS = 1.0
SLOW_SECONDS = 30.0
"""After so long without being ready, and then every so often, the supervisor says why."""


class StartFailed(Exception):  # noqa: N818 - reads as what it is
    """Something that all the rest needs did not come up; the message says what."""


class Supervisor:
    """One run of the household."""

    def __init__(
        self, household: Household, console: Console, run: SoleRun, started: float
    ) -> None:
        self._household = household
        self._console = console
        self._run = run
        self._started = started
        self._stop = asyncio.Event()
        self._fault: GaveUp | OSError | None = None
        self._children: list[Child] = []
        self._keepers: set[asyncio.Task[Any]] = set()
        self._surroundings = Surroundings(
            console=console,
            guardian=Guardian([run.descriptor]),
            kept_open=(run.descriptor,),
        )

    async def run(self) -> int:
        """Run until a signal or a fault; return the exit code, 0 for a clean stop."""
        loop = asyncio.get_running_loop()
        for number in STOPPING_SIGNALS:
            if number is signal.SIGHUP and _is_detached():
                continue
            loop.add_signal_handler(number, self._stop.set)
        terminal = asyncio.create_task(self._stop_without_terminal())
        start = asyncio.create_task(self._start())
        stop = asyncio.create_task(self._stop.wait())
        failure: str | None = None
        try:
            await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
                await stop
        except StartFailed as fault:
            failure = str(fault)
        finally:
            for task in (start, stop, terminal):
                task.cancel()
            with suppress(asyncio.CancelledError, StartFailed):
                await start
            failure = str(self._fault) if self._fault else failure
            if failure:
                self._console.warn(failure)
            await self._end()
        return 1 if failure else 0

    async def _start(self) -> None:
        household = self._household
        foundations = [self._keep(program) for program in household.foundations]
        await self._all_up(foundations)
        for engine in household.engines:
            if isinstance(engine, EmbeddedPostgres):
                await create_database(engine)
        await self._migrate(household.migration)
        await self._all_up([self._keep(program) for program in household.services])
        await self._until_ready()
        self._announce()

    def _keep(self, program: Program) -> Child:
        child = Child(program, self._surroundings)
        keeper = asyncio.create_task(child.keep(), name=program.name)
        keeper.add_done_callback(self._kept)
        self._children.append(child)
        self._keepers.add(keeper)
        return child

    def _kept(self, keeper: asyncio.Task[Any]) -> None:
        self._keepers.discard(keeper)
        fault = None if keeper.cancelled() else keeper.exception()
        if isinstance(fault, GaveUp | OSError):
            self._fault = self._fault or fault
            self._stop.set()
        elif fault is not None:
            raise fault

    async def _all_up(self, children: Sequence[Child]) -> None:
        await asyncio.gather(*(child.up.wait() for child in children))

    async def _migrate(self, program: Program) -> None:
        child = Child(program, self._surroundings)
        self._children.append(child)
        # Shielded: a signal cancels the start, but what runs is stopped, not forgotten.
        keeper = asyncio.create_task(child.run_once(), name=program.name)
        keeper.add_done_callback(self._kept)
        self._keepers.add(keeper)
        if await asyncio.shield(keeper):
            raise StartFailed("the database could not be brought up to date: see the lines above")
        self._console.note("the database is up to date")

    async def _until_ready(self) -> None:
        url = f"{address(self._household.settings)}/health/ready"
        told = monotonic()
        while (status := await http_status(url)) != READY:
            if monotonic() - told > SLOW_SECONDS:
                told = monotonic()
                self._console.warn(f"not ready yet: {url} answers {status or 'nothing'}")
            await asyncio.sleep(READY_POLL_SECONDS)

    def _announce(self) -> None:
        household = self._household
        url = address(household.settings)
        self._run.publish(f"{url}/graphql")
        places = {
            "GraphiQL": f"{url}/graphql",
            "GraphQL": f"{url}/graphql (POST; subscriptions by WebSocket, graphql-transport-ws)",
            "Inbox": household.inbox_url or f"mails go to {household.settings.smtp_host}",
            "Health": f"{url}/health/ready",
            "Data": _shown(household.settings.storyloom_home),
            "Storyteller": household.settings.storyteller_name,
        }
        self._console.announce(
            (
                "",
                *(f"  {name:<12} {place}" for name, place in places.items()),
                "",
                "  Your first story, by the tabs of GraphiQL from left to right:",
                "  1. SignUp, then VerifyOtp with the code that is in the inbox, then LogIn",
                "  2. RequestStory: all of it is optional, and the page remembers your token",
                "  3. StoryEvents: watch it being written; it is in the inbox when it is done",
                "",
            ),
            f"ready {url}/graphql in {monotonic() - self._started:.1f} s (Ctrl-C stops everything)",
        )

    async def _stop_without_terminal(self) -> None:
        """Stop when the terminal is gone: SIGHUP may have reached `make` alone, which waits."""
        if not sys.stdout.isatty():
            return
        hang_up = select.poll()
        hang_up.register(sys.stdout.fileno(), 0)
        while not hang_up.poll(0):  # noqa: ASYNC110 - the kernel sets no event of ours
            await asyncio.sleep(TERMINAL_POLL_SECONDS)
        self._stop.set()

    async def _end(self) -> None:
        """Stop what was started, services first: they need the rest to finish their work."""
        self._console.note("stopping")
        self._household.listener.close()
        names = {program.name for program in self._household.foundations}
        foundations = [child for child in self._children if child.program.name in names]
        others = [child for child in self._children if child.program.name not in names]
        await asyncio.gather(*(child.stop() for child in others))
        for child in reversed(foundations):
            await child.stop()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._surroundings.guardian.close()
        self._console.note("stopped")


def _is_detached() -> bool:
    """Whether it was started under nohup or the like, to outlive its terminal."""
    return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN and not sys.stdout.isatty()


def _shown(folder: Path) -> str:
    with suppress(ValueError):
        return f"{folder.relative_to(Path.cwd())}/"
    return f"{folder}/"
