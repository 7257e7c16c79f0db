"""How a job is run: claimed, held by a heartbeat, stopped when it must be, and brought back."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from traceback import walk_tb
from typing import Any
from uuid import UUID

import stamina
from loguru import logger
from pydantic import ValidationError

from adapters.listening import stop
from domain.jobs import Job, Lease, Queue, RetryPolicy, Task
from domain.refusals import UpstreamUnavailable
from usecases.ports.jobs import JobDesk, JobQueue, Retry
from usecases.ports.transactions import LeaseLost
from usecases.tracing import request_id

FAREWELL_SECONDS = 1.5
"""How long a worker that must stop tries to hand a job back; then its lease runs out instead."""

CLEARING_SECONDS = 3.0
"""How long work that was cancelled may clear up behind itself before it is cancelled again."""


async def _tell_nobody(_: Any, __: Lease, ___: str) -> None:  # noqa: ANN401 - any task will do
    """Let a job be buried that concerns nobody."""


@dataclass(frozen=True, slots=True)
class Handler:
    """How one kind of job is done.

    `run` does it, and is safe to be run twice. `abandon` tells whom it concerns that it will not be
    done, and why, before the job is buried.
    """

    task: type[Task]
    run: Callable[[Any, Lease], Awaitable[None]]
    abandon: Callable[[Any, Lease, str], Awaitable[None]] = _tell_nobody


class Runner:
    """Runs jobs of the kinds and versions that have a handler; others wait for newer code."""

    def __init__(
        self,
        desk: JobDesk,
        queue: JobQueue,
        handlers: Sequence[Handler],
        beat: timedelta = timedelta(seconds=10),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._desk, self._queue = desk, queue
        self._handlers = {
            (handler.task.terms.kind, handler.task.terms.version): handler for handler in handlers
        }
        self.known = tuple(handler.task.terms for handler in handlers)
        """What it can do."""

        self._beat, self._jitter = beat, jitter
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def __call__(self, queue: Queue) -> None:
        """Run the job of the queue whose turn it is; cancelled, hand it back to the others."""
        try:
            claimed = await self._desk.claim(queue, self.known)
        except Exception as error:  # noqa: BLE001 - the relay wakes somebody again
            logger.bind(queue=queue, error=describe(error)).warning("No job claimed")
            return
        if claimed is None:
            return
        job, lease = claimed
        deadline = monotonic() + lease.time_left.total_seconds()
        with _traced(job):
            try:
                await self._attempt(job, lease, deadline)
            except LeaseLost:
                logger.warning("Job was called off, or lost to another worker")
            except UpstreamUnavailable:
                logger.warning("Job could not be brought back: its lease runs out")
            except asyncio.CancelledError:
                await self._hand_back(job, lease)
                raise

    def call_off(self, job_id: UUID) -> None:
        """Stop the job if it runs here: it was cancelled, so nothing more is written for it."""
        if doing := self._running.get(job_id):
            doing.cancel()

    async def _attempt(self, job: Job, lease: Lease, deadline: float) -> None:
        handler = self._handlers[job.kind, job.version]
        try:
            task = handler.task.model_validate(job.task)
        except ValidationError as invalid:
            wrong = {".".join(map(str, fault["loc"])) for fault in invalid.errors()}
            await self._bury(lease, f"its arguments are not valid: {', '.join(sorted(wrong))}")
            return
        # One that waited beyond its deadline has its first try.
        is_late = job.attempt > 1 and monotonic() > deadline
        if job.attempt > task.terms.retry.attempts or is_late:
            await self._abandon(handler, task, lease, job.last_error or "its workers died of it")
            return
        logger.info("Job started")
        try:
            await self._do(handler, task, lease)
        except LeaseLost:
            raise
        except Retry as retry:
            error, after = str(retry), retry.after
        except UpstreamUnavailable as outage:
            error, after = describe(outage), outage.retry_after
        except Exception as fault:  # noqa: BLE001 - whatever it was, the job goes on
            error, after = describe(fault), None
            logger.bind(error=error).error("Job failed unexpectedly")
        else:
            await self._settle(lambda: self._desk.finish(lease))
            logger.info("Job done")
            return
        policy = task.terms.retry
        pause = backoff(policy, job.attempt, self._jitter())
        if after is not None:
            pause = timedelta(seconds=after)
        if job.attempt >= policy.attempts or monotonic() + pause.total_seconds() > deadline:
            await self._abandon(handler, task, lease, error)
        else:
            await self._try_again(lease, error, pause)

    async def _do(self, handler: Handler, task: Task, lease: Lease) -> None:
        """Run the handler while the lease is held."""
        doing = self._running[lease.job_id] = asyncio.ensure_future(handler.run(task, lease))
        holding = asyncio.create_task(self._hold(lease, doing))
        try:
            timeout = task.terms.timeout
            done, _ = await asyncio.wait({doing}, timeout=timeout.total_seconds())
            if not done:
                raise Retry(f"took longer than {timeout}")
            if doing.cancelled():
                raise LeaseLost
            doing.result()
        finally:
            # The same job may run here anew: its lease ran out, and this worker claimed it again.
            if self._running.get(lease.job_id) is doing:
                del self._running[lease.job_id]
            await stop(doing, deaf=CLEARING_SECONDS)
            await stop(holding, deaf=CLEARING_SECONDS)

    async def _hold(self, lease: Lease, doing: "asyncio.Future[None]") -> None:
        """Renew the lease for as long as the work takes; end the work when it is lost."""
        while True:
            await asyncio.sleep(self._beat.total_seconds())
            try:
                lease = await self._desk.renew(lease)
            except LeaseLost:
                doing.cancel()
                return
            except Exception as error:  # noqa: BLE001 - the fence protects the data meanwhile
                logger.bind(error=describe(error)).warning("Lease could not be renewed")

    async def _try_again(self, lease: Lease, error: str, pause: timedelta) -> None:
        await self._settle(lambda: self._desk.retry(lease, pause, error))
        logger.bind(error=error, seconds=round(pause.total_seconds(), 1)).warning(
            "Job will be tried again"
        )

    async def _abandon(self, handler: Handler, task: Task, lease: Lease, error: str) -> None:
        try:
            await handler.abandon(task, lease, error)
        except LeaseLost:
            raise
        except Exception as fault:  # noqa: BLE001 - whom it concerns must be told: again, later
            logger.bind(error=describe(fault)).error("Job could not be abandoned")
            await self._settle(lambda: self._desk.retry(lease, task.terms.retry.cap, error))
            return
        await self._bury(lease, error)

    async def _bury(self, lease: Lease, error: str) -> None:
        await self._settle(lambda: self._desk.bury(lease, error))
        logger.bind(error=error).error("Job buried")

    async def _hand_back(self, job: Job, lease: Lease) -> None:
        # By a task of its own: until Python 3.11.3, a time-out in one that was cancelled, such as
        # redis-py sets before each command, counts as another cancellation.
        giving = asyncio.create_task(self._give_back(job, lease))
        await asyncio.wait({giving}, timeout=FAREWELL_SECONDS)
        await stop(giving)

    async def _give_back(self, job: Job, lease: Lease) -> None:
        with suppress(Exception):
            await self._desk.release(lease)
            logger.info("Job handed back: this worker stops")
            await self._queue.wake([job])

    async def _settle(self, bring_back: Callable[[], Awaitable[None]]) -> None:
        """Bring a job back, over a short outage of the database: else it would be run again."""
        async for attempt in stamina.retry_context(
            on=lambda error: not isinstance(error, LeaseLost), attempts=None, timeout=20
        ):
            with attempt:
                await bring_back()


def backoff(policy: RetryPolicy, attempt: int, chance: float) -> timedelta:
    """Return the pause after the given attempt, counted from 1.

    It doubles from the policy's first up to its cap; by `chance`, between 0 and 1, it is cut by up
    to a half, so that jobs which failed together do not come back together.
    """
    whole = min(policy.cap, policy.first * (1 << min(attempt - 1, 30)))
    return whole * (1 - chance / 2)


def describe(error: BaseException) -> str:
    """Say what went wrong and where, in our own words: a message could hold a story or an address.

    For example `ValueError at usecases.stories.write_story:57, caused by KeyError`.
    """
    text = type(error).__name__
    if frames := [
        f"{frame.f_globals.get('__name__', '?')}:{line}"
        for frame, line in walk_tb(error.__traceback__)
    ]:
        text += f" at {frames[-1]}"
    if error.__cause__ is not None:
        text += f", caused by {describe(error.__cause__)}"
    return text


@contextmanager
def _traced(job: Job) -> Iterator[None]:
    """Bind every log line of the job, and of the jobs it promises, to where it came from."""
    known = {key: value for key, value in job.task.items() if key.endswith("_id")}
    if job.account_id is not None:
        known["user_id"] = str(job.account_id)
    reset = request_id.set(job.request_id)
    with logger.contextualize(
        job_id=str(job.id),
        job_kind=job.kind,
        attempt=job.attempt,
        request_id=job.request_id,
        **known,
    ):
        try:
            yield
        finally:
            request_id.reset(reset)
