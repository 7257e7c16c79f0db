"""How a job is run: claimed, held by a heartbeat, stopped when it must be, and brought back."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from traceback import walk_tb
from typing import Any
from uuid import UUID

import stamina
from loguru import logger
from pydantic import ValidationError

from domain.jobs import TASKS, Job, Lease, RetryPolicy, Task
from usecases.ports.jobs import JobDesk, Retry
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import LeaseLost
from usecases.tracing import request_id

WAIT_FOR_NEWER_CODE = timedelta(minutes=1)
"""How long a job is left alone that this code does not know: a newer worker may take it."""

FAREWELL_SECONDS = 1.5
"""How long a worker that must stop tries to hand a job back; then its lease runs out instead."""


@dataclass(frozen=True, slots=True)
class Handler:
    """How one kind of job is done.

    `run` does it, and is safe to be run twice. `abandon` tells whom it concerns that it will not be
    done, and why, before the job is buried. `timeout` ends an attempt that hangs.
    """

    run: Callable[[Any, Lease], Awaitable[None]]
    abandon: Callable[[Any, Lease, str], Awaitable[None]]
    policy: RetryPolicy
    timeout: timedelta


class Runner:
    """Runs jobs of the kinds that have a handler."""

    def __init__(
        self,
        desk: JobDesk,
        handlers: Mapping[str, Handler],
        clock: Clock,
        beat: timedelta = timedelta(seconds=10),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._desk, self._handlers, self._clock = desk, handlers, clock
        self._beat, self._jitter = beat, jitter
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def __call__(self, job_id: UUID) -> None:
        """Run a job if it waits for a worker; cancelled, hand it back to the others."""
        try:
            claimed = await self._desk.claim(job_id)
        except Exception as error:  # noqa: BLE001 - the relay wakes somebody for it again
            logger.bind(job_id=str(job_id), error=describe(error)).warning("Job not claimed")
            return
        if claimed is None:
            return
        job, lease = claimed
        with _traced(job):
            try:
                await self._attempt(job, lease)
            except LeaseLost:
                logger.warning("Job was called off, or lost to another worker")
            except asyncio.CancelledError:
                await self._hand_back(lease)
                raise

    def call_off(self, job_id: UUID) -> None:
        """Stop the job if it runs here: it was cancelled, so nothing more is written for it."""
        if doing := self._running.get(job_id):
            doing.cancel()

    async def _attempt(self, job: Job, lease: Lease) -> None:
        try:
            task = TASKS.validate_python(job.task)
            handler = self._handlers[task.kind]
        except (ValidationError, KeyError):
            logger.error("Job of an unknown kind or version waits for newer code")
            later = self._clock.now() + WAIT_FOR_NEWER_CODE
            await self._settle(lambda: self._desk.release(lease, until=later))
            return
        if job.attempt > handler.policy.attempts:
            await self._abandon(handler, task, lease, job.last_error or "its workers died of it")
            return
        logger.info("Job started")
        try:
            await self._do(handler, task, lease)
        except LeaseLost:
            raise
        except Retry as retry:
            await self._try_again(job, handler, task, lease, str(retry), retry.after)
        except Exception as error:  # noqa: BLE001 - whatever it was, the job goes on
            logger.bind(error=describe(error)).error("Job failed unexpectedly")
            await self._try_again(job, handler, task, lease, describe(error), None)
        else:
            await self._settle(lambda: self._desk.finish(lease))
            logger.info("Job done")

    async def _do(self, handler: Handler, task: Task, lease: Lease) -> None:
        """Run the handler while the lease is held."""
        doing = self._running[lease.job_id] = asyncio.ensure_future(handler.run(task, lease))
        holding = asyncio.create_task(self._hold(lease, doing))
        try:
            done, _ = await asyncio.wait({doing}, timeout=handler.timeout.total_seconds())
            if not done:
                raise Retry(f"took longer than {handler.timeout}")
            if doing.cancelled():
                raise LeaseLost
            doing.result()
        finally:
            del self._running[lease.job_id]
            await _end(doing)
            await _end(holding)

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

    async def _try_again(
        self, job: Job, handler: Handler, task: Task, lease: Lease, error: str, after: float | None
    ) -> None:
        if job.attempt >= handler.policy.attempts:
            await self._abandon(handler, task, lease, error)
            return
        pause = backoff(handler.policy, job.attempt, self._jitter())
        if after is not None:
            pause = timedelta(seconds=after)
        at = self._clock.now() + pause
        await self._settle(lambda: self._desk.retry(lease, at, error))
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
            at = self._clock.now() + handler.policy.cap
            await self._settle(lambda: self._desk.retry(lease, at, error))
            return
        await self._settle(lambda: self._desk.bury(lease, error))
        logger.bind(error=error).error("Job buried")

    async def _hand_back(self, lease: Lease) -> None:
        with suppress(Exception):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._desk.release(lease)
        logger.info("Job handed back: this worker stops")

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


async def _end(task: "asyncio.Future[None]") -> None:
    """Cancel a task and wait for its end; what it raises is of no interest any more."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
