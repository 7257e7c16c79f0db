"""What goes wrong: planned by chance before it begins, so that a seed repeats it."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from redis.asyncio import Redis

from bench.soak.installation import Installation, Process
from bench.soak.model import FAULTS
from bench.soak.tally import Blow
from tests.faults.proxy import BlackHole, Clear, Cut, Fault, HalfOpen, Latency, Refuse, Reset
from tests.smtp_server import Verb

SOMETIMES_TWO = 0.25
"""How often two faults come at once."""

NETWORKS: dict[str, Callable[[random.Random], Fault]] = {
    "slow": lambda chance: Latency(chance.uniform(0.05, 0.5), chance.uniform(0, 0.2)),
    "reset": lambda _: Reset(),
    "cut": lambda chance: Cut(to_client=chance.randint(1, 4000)),
    "swallows": lambda _: BlackHole(),
    "half open": lambda _: HalfOpen(),
    "refuses": lambda _: Refuse(),
}
BACKENDS = {
    "PostgreSQL": "PostgreSQL",
    "Redis": "Redis",
    "way to the mail server": "mail",
    "way to the model": "model",
}
"""What a fault of a network is called, by the network's name."""

LASTING = (BlackHole, HalfOpen)
"""Connections that met these are lost for good: what was swallowed is never sent again."""

MAIL = {
    "answers 421": lambda server: server.answer(Verb.MAIL, "421 4.3.2 Shutting down", times=3),
    "answers 451": lambda server: server.answer(Verb.RCPT, "451 4.7.1 Try again", times=3),
    "hangs": lambda server: server.hang(Verb.EHLO, times=2),
    "cuts after the dot": lambda server: server.cut(Verb.DOT),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come, so many seconds after the beginning."""

    at: float
    kind: str
    lasts: float
    which: int
    """Of processes, that one."""


def plan(chance: random.Random, seconds: float, pace: float = 4) -> list[Planned]:
    """Plan faults for that time, one each `pace` on average; the last seconds are for recovery."""
    groups: Sequence[tuple[int, Sequence[str]]] = (
        (8, ("worker killed", "worker stands still", "worker replaced")),
        (5, ("API killed", "API restarted")),
        (6, ("Redis restarted", "Redis emptied", "PostgreSQL killed")),
        (16, [f"{backend} {how}" for backend in BACKENDS for how in NETWORKS]),
        (6, [f"model {how}" for how in FAULTS]),
        (4, [f"mail {how}" for how in MAIL]),
    )
    planned, at = list[Planned](), 0.0
    while (at := at + chance.uniform(pace / 2, pace * 3 / 2)) < seconds:
        for _ in range(2 if chance.random() < SOMETIMES_TWO else 1):
            [(_, kinds)] = chance.choices(groups, [weight for weight, _ in groups])
            kind = chance.choice(kinds)
            longest = 40 if kind == "worker stands still" else 10
            lasts = min(chance.uniform(1, longest), seconds - at)
            planned.append(Planned(at, kind, lasts, chance.randrange(100)))
    return planned


class Chaos:
    """Does to an installation what was planned."""

    def __init__(self, place: Installation, chance: random.Random) -> None:
        self._place, self._chance = place, chance
        self._turns: Mapping[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._acts: dict[str, Callable[[Planned], Awaitable[None]]] = {
            "worker killed": lambda it: self._killed(self._spared(place.workers, it)),
            "worker stands still": lambda it: self._still(place.workers[it.which % 3], it.lasts),
            "worker replaced": lambda it: self._replaced(self._spared(place.workers, it)),
            "API killed": lambda it: self._killed(self._spared(place.apis, it)),
            "API restarted": lambda it: self._restarted(self._spared(place.apis, it)),
            "Redis restarted": lambda _: self._redis_restarted(),
            "Redis emptied": lambda _: self._redis_emptied(),
            "PostgreSQL killed": lambda _: self._postgres_killed(),
        }
        for backend, network in BACKENDS.items():
            for how in NETWORKS:
                self._acts[f"{backend} {how}"] = partial(self._network, network, how)
        for how in FAULTS:
            self._acts[f"model {how}"] = partial(self._model, how)
        for how in MAIL:
            self._acts[f"mail {how}"] = partial(self._mail, how)

    async def __call__(self, planned: Sequence[Planned]) -> None:
        """Let each fault strike in its time; end when all are over."""
        async with asyncio.TaskGroup() as group:
            for fault in planned:
                # The plan is by the clock, so that a seed repeats it.
                await asyncio.sleep(max(0, fault.at - self._place.tally.now()))
                group.create_task(self._strike(fault))

    async def _strike(self, fault: Planned) -> None:
        async with self._turn(fault):
            blow = Blow(fault.kind, self._place.tally.now())
            self._place.tally.blows.append(blow)
            await self._acts[fault.kind](fault)
            blow.ended = self._place.tally.now()

    def _turn(self, fault: Planned) -> AbstractAsyncContextManager[None]:
        """Wait until what it strikes has got over the fault before; processes see to that."""
        [target, *_] = [name for name in (*BACKENDS, "") if fault.kind.startswith(name)]
        return self._turns[target] if target else nullcontext()

    def _spared(self, processes: Sequence[Process], fault: Planned) -> Process:
        """Choose any but the first, which lives through all of it and so shows what leaks."""
        return processes[1 + fault.which % (len(processes) - 1)]

    async def _killed(self, process: Process) -> None:
        async with process.turn:
            await process.kill()
            process.start()

    async def _still(self, process: Process, seconds: float) -> None:
        async with process.turn:
            process.pause()
            try:
                await asyncio.sleep(seconds)  # as planned: beyond its lease, or not
            finally:
                process.go_on()

    async def _replaced(self, process: Process) -> None:
        """Start the new one beside the old one, as a deployment does."""
        async with process.turn:
            await process.stop(process.start())

    async def _restarted(self, process: Process) -> None:
        async with process.turn:
            await process.stop()
            process.start()

    async def _redis_restarted(self) -> None:
        await self._place.redis.kill()
        await self._place.redis.start()

    async def _redis_emptied(self) -> None:
        async with Redis.from_url(self._place.redis.url) as redis:
            await redis.flushall()

    async def _postgres_killed(self) -> None:
        await self._place.postgres.kill()
        await self._place.postgres.start()

    async def _model(self, how: str, fault: Planned) -> None:
        self._place.model.fault = how
        await asyncio.sleep(fault.lasts)  # for so long it is planned, whatever happens meanwhile
        self._place.model.fault = ""

    async def _mail(self, how: str, _: Planned) -> None:
        MAIL[how](self._place.mail)

    async def _network(self, name: str, how: str, planned: Planned) -> None:
        network, fault = self._place.networks[name], NETWORKS[how](self._chance)
        if isinstance(fault, LASTING):
            network.strike(fault)
        network.fault = fault
        try:
            await asyncio.sleep(planned.lasts)  # as planned
        finally:
            network.fault = Clear()
