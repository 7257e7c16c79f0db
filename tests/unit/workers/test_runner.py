"""How a job is run, and what becomes of it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from loguru import logger

from domain.jobs import Job, JobState, Lease, RetryPolicy, SendDelivery
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase, FakeJobDesk
from usecases.ports.jobs import Retry
from usecases.ports.transactions import LeaseLost
from usecases.tracing import request_id
from workers.runner import Handler, Runner, backoff, describe

POLICY = RetryPolicy(attempts=3)
SECRET = "the fox said: open sesame"
Act = Callable[[], Awaitable[None]]


async def succeed() -> None:
    """Do nothing, well."""


class WatchedDesk(FakeJobDesk):
    """Tells when a lease was renewed."""

    def __init__(self, database: FakeDatabase) -> None:
        super().__init__(database)
        self.renewals = asyncio.Condition()

    async def renew(self, lease: Lease) -> Lease:
        renewed = await super().renew(lease)
        async with self.renewals:
            self.renewals.notify_all()
        return renewed


@dataclass
class Workshop:
    """A runner on fakes, whose one handler does what the test puts into `act`."""

    clock: FakeClock = field(default_factory=FakeClock)
    act: Act = succeed
    abandon: Act = succeed
    timeout: timedelta = timedelta(seconds=30)
    beat: timedelta = timedelta(milliseconds=5)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    done: list[UUID] = field(default_factory=list)
    abandoned: list[tuple[UUID, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = FakeDatabase(self.clock)
        self.desk = WatchedDesk(self.database)
        self.runner = self.another()

    def another(self) -> Runner:
        """Return another worker's runner."""
        handler = Handler(self._run, self._abandon, POLICY, self.timeout)
        handlers = {"send_delivery": handler}
        return Runner(self.desk, handlers, self.clock, self.beat, jitter=lambda: 0)

    async def promise(self) -> UUID:
        """Return the id of a job that waits."""
        async with self.database.begin() as work:
            job = await work.jobs.add(SendDelivery(delivery_id=uuid4()), dedupe_key=str(uuid4()))
        return job.id

    def stored(self, job_id: UUID) -> Job:
        """Return the job as it stands."""
        return self.database.tables.jobs[job_id]

    async def _run(self, task: SendDelivery, lease: Lease) -> None:
        self.began.set()
        await self.act()
        async with self.database.begin(lease):
            self.done.append(task.delivery_id)

    async def _abandon(self, task: SendDelivery, lease: Lease, reason: str) -> None:
        await self.abandon()
        async with self.database.begin(lease):
            self.abandoned.append((task.delivery_id, reason))


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


async def fail() -> None:
    raise ValueError(SECRET)


async def refuse() -> None:
    raise Retry("the model is busy")


async def hang() -> None:
    await asyncio.Event().wait()


async def test_a_job_is_done_once(workshop: Workshop) -> None:
    job_id = await workshop.promise()
    await workshop.runner(job_id)
    await workshop.runner(job_id)

    job = workshop.stored(job_id)
    assert (job.state, job.attempt, job.finished_at) == (JobState.DONE, 1, workshop.clock.now())
    assert len(workshop.done) == 1


async def test_two_workers_woken_for_one_job_do_it_once(workshop: Workshop) -> None:
    job_id = await workshop.promise()
    await asyncio.gather(workshop.runner(job_id), workshop.another()(job_id))
    assert len(workshop.done) == 1


async def test_a_passing_fault_is_tried_again_later_and_later(workshop: Workshop) -> None:
    workshop.act = refuse
    job_id = await workshop.promise()
    for seconds in (2, 4):
        await workshop.runner(job_id)
        job = workshop.stored(job_id)
        assert (job.state, job.last_error) == (JobState.QUEUED, "the model is busy")
        assert job.run_at == workshop.clock.now() + timedelta(seconds=seconds)
        workshop.clock.advance(timedelta(seconds=seconds))

    workshop.act = succeed
    await workshop.runner(job_id)
    assert workshop.stored(job_id).state is JobState.DONE


async def test_a_wait_that_was_asked_for_is_kept(workshop: Workshop) -> None:
    async def wait_for_quota() -> None:
        raise Retry("429", after=37)

    workshop.act = wait_for_quota
    job_id = await workshop.promise()
    await workshop.runner(job_id)
    assert workshop.stored(job_id).run_at == workshop.clock.now() + timedelta(seconds=37)


async def test_what_an_exception_says_is_kept_nowhere(workshop: Workshop) -> None:
    workshop.act = fail
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message} {extra} {exception}")
    job_id = await workshop.promise()
    await workshop.runner(job_id)
    logger.remove(sink)

    job = workshop.stored(job_id)
    assert job.state is JobState.QUEUED
    assert job.last_error is not None
    assert job.last_error.startswith("ValueError at tests.unit.workers.test_runner:")
    assert "Job failed unexpectedly" in "".join(lines)
    assert SECRET not in "".join(lines)


async def test_a_job_out_of_tries_is_abandoned_then_buried(workshop: Workshop) -> None:
    workshop.act = refuse
    job_id = await workshop.promise()
    for _ in range(POLICY.attempts):
        await workshop.runner(job_id)
        workshop.clock.advance(POLICY.cap)

    job = workshop.stored(job_id)
    assert (job.state, job.attempt) == (JobState.DEAD, POLICY.attempts)
    assert [reason for _, reason in workshop.abandoned] == ["the model is busy"]
    assert workshop.done == []


async def test_abandoning_is_itself_tried_again(workshop: Workshop) -> None:
    workshop.act, workshop.abandon = refuse, fail
    job_id = await workshop.promise()
    for _ in range(POLICY.attempts + 1):
        await workshop.runner(job_id)
        workshop.clock.advance(POLICY.cap)
    assert workshop.stored(job_id).state is JobState.QUEUED

    workshop.abandon = succeed
    await workshop.runner(job_id)
    assert workshop.stored(job_id).state is JobState.DEAD
    assert [reason for _, reason in workshop.abandoned] == ["the model is busy"]


async def test_a_job_that_kills_its_workers_is_buried(workshop: Workshop) -> None:
    job_id = await workshop.promise()
    for _ in range(POLICY.attempts):
        assert await workshop.desk.claim(job_id) is not None
        workshop.clock.advance(timedelta(minutes=1))

    await workshop.runner(job_id)
    assert workshop.stored(job_id).state is JobState.DEAD
    assert [reason for _, reason in workshop.abandoned] == ["its workers died of it"]
    assert workshop.done == []


async def test_a_kind_that_is_not_known_waits_for_newer_code(workshop: Workshop) -> None:
    job_id = await workshop.promise()
    workshop.stored(job_id).task = {"kind": "paint_cover", "story_id": str(uuid4())}
    await workshop.runner(job_id)

    job = workshop.stored(job_id)
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)
    assert job.run_at == workshop.clock.now() + timedelta(minutes=1)


async def test_an_attempt_that_hangs_is_ended_and_tried_again(workshop: Workshop) -> None:
    workshop.act, workshop.timeout = hang, timedelta(milliseconds=10)
    job_id = await workshop.promise()
    await workshop.another()(job_id)

    job = workshop.stored(job_id)
    assert (job.state, job.last_error) == (JobState.QUEUED, "took longer than 0:00:00.010000")


@pytest.fixture
async def running(workshop: Workshop) -> AsyncIterator[tuple[UUID, "asyncio.Task[None]"]]:
    """Return a job that is being run, and the task that runs it."""
    workshop.act = hang
    job_id = await workshop.promise()
    task = asyncio.ensure_future(workshop.runner(job_id))
    await workshop.began.wait()
    yield job_id, task
    task.cancel()
    await asyncio.wait({task})


async def test_a_called_off_job_stops_at_once(
    workshop: Workshop, running: tuple[UUID, "asyncio.Task[None]"]
) -> None:
    job_id, task = running
    async with workshop.database.begin() as work:
        await work.jobs.cancel(workshop.stored(job_id).dedupe_key)
    workshop.runner.call_off(job_id)

    async with asyncio.timeout(1):
        await task
    assert workshop.stored(job_id).state is JobState.CANCELED
    assert workshop.done == []


async def test_a_job_whose_lease_is_lost_stops_by_its_heartbeat(
    workshop: Workshop, running: tuple[UUID, "asyncio.Task[None]"]
) -> None:
    job_id, task = running
    workshop.clock.advance(timedelta(minutes=1))
    successor = await workshop.desk.claim(job_id)

    async with asyncio.timeout(1):
        await task
    assert successor is not None
    assert workshop.stored(job_id).lease_token == successor[1].token


async def test_a_heartbeat_holds_the_lease(
    workshop: Workshop, running: tuple[UUID, "asyncio.Task[None]"]
) -> None:
    job_id, _ = running
    for _ in range(4):
        until = workshop.clock.advance(timedelta(seconds=20)) + timedelta(seconds=30)
        async with asyncio.timeout(1), workshop.desk.renewals:
            await workshop.desk.renewals.wait()
        assert workshop.stored(job_id).lease_until == until
    assert await workshop.desk.claim(job_id) is None


async def test_a_worker_that_stops_hands_its_job_back_untried(
    workshop: Workshop, running: tuple[UUID, "asyncio.Task[None]"]
) -> None:
    job_id, task = running
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    job = workshop.stored(job_id)
    assert (job.state, job.attempt, job.run_at) == (JobState.QUEUED, 0, workshop.clock.now())
    workshop.act = succeed
    await workshop.another()(job_id)
    assert workshop.stored(job_id).state is JobState.DONE


async def test_a_lost_lease_ends_the_attempt_without_a_word(workshop: Workshop) -> None:
    async def lose() -> None:
        raise LeaseLost

    workshop.act = lose
    job_id = await workshop.promise()
    await workshop.runner(job_id)
    assert workshop.stored(job_id).state is JobState.RUNNING


async def test_log_lines_and_new_jobs_carry_the_request(workshop: Workshop) -> None:
    promised_later: list[UUID] = []

    async def promise_another() -> None:
        logger.info("Working")
        promised_later.append(await workshop.promise())

    workshop.act = promise_another
    reset = request_id.set("request-1")
    job_id = await workshop.promise()
    request_id.reset(reset)
    extras: list[dict[str, object]] = []
    sink = logger.add(lambda message: extras.append(message.record["extra"]))
    await workshop.runner(job_id)
    logger.remove(sink)

    bound = {
        "job_id": str(job_id),
        "job_kind": "send_delivery",
        "attempt": 1,
        "request_id": "request-1",
        "delivery_id": workshop.stored(job_id).task["delivery_id"],
    }
    assert extras == [bound] * 3
    assert workshop.stored(promised_later[0]).request_id == "request-1"
    assert request_id.get() is None


def test_the_pause_doubles_up_to_its_cap_and_is_cut_by_chance() -> None:
    pauses = [backoff(POLICY, attempt, 0).total_seconds() for attempt in (1, 2, 3, 8, 9, 1000)]
    assert pauses == [2, 4, 8, 256, 300, 300]
    assert backoff(POLICY, 1, 1) == timedelta(seconds=1)


async def test_an_error_is_described_without_its_message() -> None:
    with pytest.raises(ValueError, match=SECRET) as caught:
        await fail()
    caught.value.__cause__ = KeyError(SECRET)
    said = describe(caught.value)
    assert re.fullmatch(
        r"ValueError at tests\.unit\.workers\.test_runner:\d+, caused by KeyError", said
    )
