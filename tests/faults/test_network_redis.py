"""Redis is there, but the network before it is not what it was."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from adapters.codes import RedisCodes
from adapters.event_log.log import RedisEventLog
from adapters.queue import ArqQueue, called_off
from adapters.rate_limit import RedisRateLimiter
from adapters.redis_pool import open_redis
from adapters.session_ends import RedisSessionEnds
from domain.codes import CodePolicy, CodePurpose
from domain.events import Cursor, StageChanged
from domain.refusals import UpstreamUnavailable
from domain.stories import StoryStatus
from tests.fakes.clock import FakeClock
from tests.faults.proxy import (
    BlackHole,
    Clear,
    Cut,
    Fault,
    FaultProxy,
    HalfOpen,
    Latency,
    Refuse,
    Reset,
)
from tests.figures import Figures
from usecases.ports.limits import Bucket, LimitsUnknown
from usecases.ports.live import Topic

WITHIN = 10
"""Seconds after which all must be well again (docs/security.md)."""

STORY = Topic(UUID(int=1), UUID(int=2))
WRITING = StageChanged(stage=StoryStatus.WRITING)
ACCESS_LIFE = timedelta(minutes=15)
POLICY = CodePolicy(
    digits=6,
    lifetime=timedelta(minutes=10),
    attempts=5,
    cooldown=timedelta(0),
    per_hour=1_000,
    per_day=1_000,
)
SILENCE = (2.0, 0.3)
"""Seconds of silence that are too long: on the full scale those of the service."""


@dataclass
class Commands:
    """What the API asks of Redis in a request."""

    redis: Redis
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def all(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """Each kind, by its name."""
        codes = RedisCodes(self.redis, pepper=b"p" * 32, policy=POLICY, clock=self.clock)
        limiter = RedisRateLimiter(self.redis)
        ends = RedisSessionEnds(self.redis, access_life=ACCESS_LIFE, clock=self.clock)
        return {
            "a code": lambda: codes.open(CodePurpose.SIGN_UP, f"{uuid4()}@example.org", None),
            "a limit": lambda: limiter.take(Bucket(str(uuid4()), 5, 5)),
            "an end": lambda: ends.announce(uuid4()),
        }

    async def outcomes(self) -> tuple[list[object], float]:
        """Give all at once, several times; return what came of them, and the longest wait."""
        waits: list[float] = []

        async def timed(command: Callable[[], Awaitable[object]]) -> object:
            began = monotonic()
            try:
                return await command()
            except (LimitsUnknown, UpstreamUnavailable) as refusal:
                return type(refusal)
            finally:
                waits.append(monotonic() - began)

        answers = await asyncio.gather(*(timed(each) for each in 5 * list(self.all.values())))
        return answers, max(waits)


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy.before(redis_url) as proxy:
        yield proxy


@pytest.fixture
async def behind(proxy: FaultProxy, figures: Figures) -> AsyncIterator[Redis]:
    """Return a client like the service's; on the quick scale it has little patience."""
    async with open_redis(proxy.url, SILENCE[not figures.full]) as client:
        yield client


REFUSED = {LimitsUnknown, UpstreamUnavailable}


@pytest.mark.parametrize(
    ("fault", "refuses"),
    [
        (Latency(0.1), False),
        (Cut(to_client=1), True),
        (BlackHole(), True),
        (Refuse(), True),
    ],
    ids=["200 ms away", "every answer cut", "in a black hole", "refusing"],
)
async def test_commands_work_or_are_refused_in_time(
    proxy: FaultProxy,
    behind: Redis,
    figures: Figures,
    request: pytest.FixtureRequest,
    fault: Fault,
    *,
    refuses: bool,
) -> None:
    commands = Commands(behind)
    await commands.outcomes()
    if isinstance(fault, Refuse):
        proxy.strike(Reset())
    proxy.fault = fault
    answers, slowest = await commands.outcomes()
    refused = [answer for answer in answers if isinstance(answer, type)]
    proxy.fault = Clear()
    _, healed = await commands.outcomes()

    assert set(refused) == (REFUSED if refuses else set())
    assert len(refused) == (len(answers) if refuses else 0)
    assert max(slowest, healed) < WITHIN
    figures.show(
        f"Redis {request.node.callspec.id.rpartition('-')[0] or request.node.callspec.id}",
        f"{len(refused)} of {len(answers)} commands refused, slowest after {slowest:.1f} s, "
        f"works again within {healed:.2f} s",
    )


@pytest.mark.parametrize(
    "fault", [Reset(), HalfOpen(), BlackHole()], ids=lambda f: type(f).__name__
)
async def test_connections_that_were_lost_cost_no_command(
    proxy: FaultProxy, behind: Redis, figures: Figures, fault: Fault
) -> None:
    commands, worst, times = Commands(behind), 0.0, figures.scale(1, 10)
    for _ in range(times):
        await commands.outcomes()
        proxy.strike(fault)
        answers, slowest = await commands.outcomes()
        assert not any(isinstance(answer, type) for answer in answers)
        worst = max(worst, slowest)

    assert worst < WITHIN
    figures.show(
        f"Redis: {type(fault).__name__} on all connections",
        f"{times} times; 0 commands lost, slowest {worst:.2f} s",
    )


@dataclass
class Listeners:
    """All that a process hears through Redis, behind the proxy; `others` speak without it."""

    log: RedisEventLog
    ends: RedisSessionEnds
    others: Redis
    told: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    stopped: set[UUID] = field(default_factory=set)

    async def follow(self) -> None:
        async with aclosing(self.log.follow(STORY, Cursor(1, 0))) as tale:
            async for recorded in tale:
                if recorded is not None:
                    self.told.put_nowait(str(recorded.cursor))

    async def obey(self, redis: Redis, pulse: float) -> None:
        async with aclosing(called_off(redis, pulse)) as jobs:
            async for job_id in jobs:
                self.stopped.add(job_id)

    async def stop_a_job(self) -> None:
        """Call jobs off until one is heard of; a call while nobody hears costs its job a beat."""
        queue = ArqQueue(self.others)
        while not self.stopped:
            await queue.call_off([uuid4()])
            await asyncio.sleep(0.02)  # Redis tells nobody who listens
        self.stopped.clear()


@pytest.mark.parametrize(
    "fault", [Reset(), HalfOpen(), BlackHole()], ids=lambda f: type(f).__name__
)
async def test_every_listener_hears_again_and_misses_nothing(
    redis: Redis, proxy: FaultProxy, behind: Redis, figures: Figures, fault: Fault
) -> None:
    clock, pulse = FakeClock(), SILENCE[not figures.full]
    other = RedisSessionEnds(redis, access_life=ACCESS_LIFE, clock=clock)
    log = RedisEventLog(behind, clock, pulse=pulse)
    ends = RedisSessionEnds(behind, access_life=ACCESS_LIFE, clock=clock, pulse=pulse)
    listeners, writer = Listeners(log, ends, redis), RedisEventLog(redis, clock).writer(STORY, 1)
    tasks = [
        asyncio.create_task(listeners.follow()),
        asyncio.create_task(listeners.obey(behind, pulse)),
    ]
    worst, times, written = 0.0, figures.scale(1, 5), 0
    async with AsyncExitStack() as stack:
        stack.push_async_callback(ends.close)
        stack.push_async_callback(log.aclose)
        stack.push_async_callback(_stop, tasks)
        for _ in range(times):
            sessions = [uuid4(), uuid4()]
            watches = [await stack.enter_async_context(ends.ended(each)) for each in sessions]
            await listeners.stop_a_job()
            await writer.append(WRITING)
            await listeners.told.get()
            await other.announce(sessions[0])
            await watches[0].wait()

            proxy.strike(fault)
            for _ in range(3):
                await writer.append(WRITING)
            await other.announce(sessions[1])
            began = monotonic()
            async with asyncio.timeout(2 * WITHIN):
                heard = [await listeners.told.get() for _ in range(3)]
                await watches[1].wait()
                await listeners.stop_a_job()
            worst = max(worst, monotonic() - began)
            assert heard == [f"1-{written + number}" for number in (2, 3, 4)]
            written += 4

    assert worst < WITHIN
    figures.show(
        f"Redis: listeners after {type(fault).__name__}",
        f"{times} times; 0 events and 0 ends missed, heard within {worst:.2f} s",
    )


async def test_an_end_that_could_not_be_looked_up_is_looked_up_later(
    redis: Redis, proxy: FaultProxy, behind: Redis
) -> None:
    clock, session_id = FakeClock(), uuid4()
    ends = RedisSessionEnds(behind, access_life=ACCESS_LIFE, clock=clock, pulse=0.1)
    async with ends.ended(uuid4()) as witness:
        await RedisSessionEnds(redis, access_life=ACCESS_LIFE, clock=clock).announce(session_id)
        proxy.fault = BlackHole()
        async with ends.ended(session_id) as event:
            assert not event.is_set()
            proxy.fault = Clear()
            async with asyncio.timeout(WITHIN):
                await event.wait()
        assert not witness.is_set()
    await ends.close()


async def _stop(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
