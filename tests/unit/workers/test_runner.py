"""How a job is run, and what becomes of it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
import stamina
from loguru import logger

from domain.jobs import Job, JobState, Lease, Queue, RetryPolicy, Task, Terms
from domain.refusals import UpstreamUnavailable
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase, FakeJobDesk, FakeJobQueue
from usecases.ports.jobs import Retry
from usecases.ports.transactions import LeaseLost
from usecases.tracing import request_id
from workers.runner import Handler, Runner, backoff, describe

POLICY = RetryPolicy(attempts=3, budget=timedelta(hours=1))
QUEUE = Queue.FILES
SECRET = "the fox said: open sesame"
Act = Callable[[], Awaitable[None]]


class PaintCover(Task):
    """A task for these tests."""

    terms: ClassVar[Terms] = Terms(
        kind="paint_cover",
        queue=QUEUE,
        retry=POLICY,
        timeout=timedelta(seconds=30),
        unique_by=("story_id",),
    )
    story_id: UUID


class PaintQuickly(PaintCover):
    """The same, for which there is no time."""

    terms: ClassVar[Terms] = PaintCover.terms.model_copy(
        update={"kind": "paint_quickly", "timeout": timedelta(milliseconds=10)}
    )


async def succeed() -> None:
    """Do nothing, well."""


class WatchedDesk(FakeJobDesk):
    """Tells when a lease was renewed; away for as many `outages`, it takes nothing back."""

    def __init__(self, database: FakeDatabase) -> None:
        super().__init__(database)
        self.renewals = asyncio.Condition()
        self.outages = 0

    async def finish(self, lease: Lease) -> None:
        if self.outages:
            self.outages -= 1
            raise UpstreamUnavailable
        await super().finish(lease)

    async def renew(self, lease: Lease) -> Lease:
        renewed = await super().renew(lease)
        async with self.renewals:
            self.renewals.notify_all()
        return renewed


@dataclass
class Workshop:
    """A runner on fakes, whose one handler does what the test puts into `act`."""

    clock: FakeClock = field(default_factory=FakeClock)
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)
    act: Act = succeed
    abandon: Act = succeed
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
        handlers = [Handler(task, self._run, self._abandon) for task in (PaintCover, PaintQuickly)]
        return Runner(self.desk, self.queue, handlers, self.beat, jitter=lambda: 0)

    async def turn(self) -> None:
        """Run what is due now."""
        await self.desk.due(10, self.runner.known)
        await self.runner(QUEUE)

    async def promise(self, task: type[PaintCover] = PaintCover) -> UUID:
        """Return the id of a job that waits."""
        async with self.database.begin() as work:
            job = await work.jobs.add(task(story_id=uuid4()))
        return job.id

    def stored(self, job_id: UUID) -> Job:
        """Return the job as it stands."""
        return self.database.tables.jobs[job_id]

    async def _run(self, task: PaintCover, lease: Lease) -> None:
        self.began.set()
        await self.act()
        async with self.database.begin(lease):
            self.done.append(task.story_id)

    async def _abandon(self, task: PaintCover, lease: Lease, reason: str) -> None:
        await self.abandon()
        async with self.database.begin(lease):
            self.abandoned.append((task.story_id, reason))


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
    await workshop.turn()
    await workshop.turn()

    job = workshop.stored(job_id)
    assert (job.state, job.attempt, job.finished_at) == (JobState.DONE, 1, workshop.clock.now())
    assert len(workshop.done) == 1


async def test_two_workers_woken_for_one_job_do_it_once(workshop: Workshop) -> None:
    await workshop.promise()
    await asyncio.gather(workshop.runner(QUEUE), workshop.another()(QUEUE))
    assert len(workshop.done) == 1


async def test_a_permit_of_another_queue_is_none_for_this(workshop: Workshop) -> None:
    job_id = await workshop.promise()
    await workshop.runner(Queue.MAIL)
    assert workshop.stored(job_id).state is JobState.QUEUED


async def test_a_passing_fault_is_tried_again_later_and_later(workshop: Workshop) -> None:
    workshop.act = refuse
    job_id = await workshop.promise()
    for seconds in (2, 4):
        await workshop.turn()
        job = workshop.stored(job_id)
        assert (job.state, job.last_error) == (JobState.SCHEDULED, "the model is busy")
        assert job.run_at == workshop.clock.now() + timedelta(seconds=seconds)
        workshop.clock.advance(timedelta(seconds=seconds))

    workshop.act = succeed
    await workshop.turn()
    assert workshop.stored(job_id).state is JobState.DONE


async def test_a_wait_that_was_asked_for_is_kept(workshop: Workshop) -> None:
    async def wait_for_quota() -> None:
        raise Retry("429", after=37)

    workshop.act = wait_for_quota
    job_id = await workshop.promise()
    await workshop.turn()
    assert workshop.stored(job_id).run_at == workshop.clock.now() + timedelta(seconds=37)


async def test_what_an_exception_says_is_kept_nowhere(workshop: Workshop) -> None:
    workshop.act = fail
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message} {extra} {exception}")
    job_id = await workshop.promise()
    await workshop.turn()
    logger.remove(sink)

    job = workshop.stored(job_id)
    assert job.state is JobState.SCHEDULED
    assert job.last_error is not None
    assert job.last_error.startswith("ValueError at tests.unit.workers.test_runner:")
    assert "Job failed unexpectedly" in "".join(lines)
    assert SECRET not in "".join(lines)


async def test_a_job_out_of_tries_is_abandoned_then_buried(workshop: Workshop) -> None:
    workshop.act = refuse
    job_id = await workshop.promise()
    for _ in range(POLICY.attempts):
        await workshop.turn()
        workshop.clock.advance(POLICY.cap)

    job = workshop.stored(job_id)
    assert (job.state, job.attempt) == (JobState.DEAD, POLICY.attempts)
    assert [reason for _, reason in workshop.abandoned] == ["the model is busy"]
    assert workshop.done == []


async def test_a_job_whose_time_is_over_before_its_next_try_is_buried(workshop: Workshop) -> None:
    async def wait_for_long() -> None:
        raise Retry("429", after=POLICY.budget.total_seconds() + 1)

    workshop.act = wait_for_long
    job_id = await workshop.promise()
    await workshop.turn()
    assert (workshop.stored(job_id).state, workshop.stored(job_id).attempt) == (JobState.DEAD, 1)
    assert [reason for _, reason in workshop.abandoned] == ["429"]


async def test_a_job_that_waited_beyond_its_time_has_one_try(workshop: Workshop) -> None:
    workshop.act = refuse
    done, failed = await workshop.promise(), await workshop.promise()
    workshop.clock.advance(POLICY.budget + timedelta(seconds=1))
    workshop.act = succeed
    await workshop.turn()
    workshop.act = refuse
    await workshop.turn()
    states = [workshop.stored(job_id).state for job_id in (done, failed)]
    assert states == [JobState.DONE, JobState.DEAD]


async def test_abandoning_is_itself_tried_again(workshop: Workshop) -> None:
    workshop.act, workshop.abandon = refuse, fail
    job_id = await workshop.promise()
    for _ in range(POLICY.attempts + 1):
        await workshop.turn()
        workshop.clock.advance(POLICY.cap)
    assert workshop.stored(job_id).state is JobState.SCHEDULED

    workshop.abandon = succeed
    await workshop.turn()
    assert workshop.stored(job_id).state is JobState.DEAD
    assert [reason for _, reason in workshop.abandoned] == ["the model is busy"]


async def test_a_job_that_kills_its_workers_is_buried(workshop: Workshop) -> None:
    job_id = await workshop.promise()
    for _ in range(POLICY.attempts):
        await workshop.desk.due(10, workshop.runner.known)
        assert await workshop.desk.claim(QUEUE, [PaintCover.terms]) is not None
        workshop.clock.advance(timedelta(minutes=1))

    await workshop.turn()
    assert workshop.stored(job_id).state is JobState.DEAD
    assert [reason for _, reason in workshop.abandoned] == ["its workers died of it"]
    assert workshop.done == []


@pytest.mark.parametrize("changed", [{"kind": "paint_better"}, {"version": 2}])
async def test_a_kind_or_version_that_is_not_known_waits_for_newer_code(
    changed: dict[str, Any], workshop: Workshop
) -> None:
    job_id, known = await workshop.promise(), await workshop.promise()
    jobs = workshop.database.tables.jobs
    jobs[job_id] = workshop.stored(job_id).model_copy(update=changed)
    await workshop.turn()
    await workshop.turn()

    job = workshop.stored(job_id)
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)
    assert workshop.stored(known).state is JobState.DONE, "it holds up nobody"


async def test_a_job_with_arguments_that_cannot_be_read_is_buried(workshop: Workshop) -> None:
    job_id = await workshop.promise()
    workshop.stored(job_id).task = {"story_id": SECRET}
    await workshop.turn()

    job = workshop.stored(job_id)
    assert (job.state, job.last_error) == (JobState.DEAD, "its arguments are not valid: story_id")
    assert workshop.abandoned == []


async def test_an_attempt_that_hangs_is_ended_and_tried_again(workshop: Workshop) -> None:
    workshop.act = hang
    job_id = await workshop.promise(PaintQuickly)
    await workshop.turn()

    job = workshop.stored(job_id)
    assert (job.state, job.last_error) == (JobState.SCHEDULED, "took longer than 0:00:00.010000")


@pytest.fixture
async def running(workshop: Workshop) -> AsyncIterator[tuple[UUID, "asyncio.Task[None]"]]:
    """Return a job that is being run, and the task that runs it."""
    workshop.act = hang
    job_id = await workshop.promise()
    task = asyncio.ensure_future(workshop.runner(QUEUE))
    await workshop.began.wait()
    yield job_id, task
    task.cancel()
    await asyncio.wait({task})


async def test_a_called_off_job_stops_at_once(
    workshop: Workshop, running: tuple[UUID, "asyncio.Task[None]"]
) -> None:
    job_id, task = running
    async with workshop.database.begin() as work:
        await work.jobs.cancel(PaintCover, workshop.stored(job_id).dedupe_key)
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
    await workshop.desk.due(10, workshop.runner.known)
    successor = await workshop.desk.claim(QUEUE, [PaintCover.terms])

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
    assert await workshop.desk.due(10, workshop.runner.known) == []


async def test_a_worker_that_stops_hands_its_job_back_and_wakes_another(
    workshop: Workshop, running: tuple[UUID, "asyncio.Task[None]"]
) -> None:
    job_id, task = running
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    job = workshop.stored(job_id)
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)
    assert [job.id for job in workshop.queue.woken] == [job_id]
    workshop.act = succeed
    await workshop.another()(QUEUE)
    assert workshop.stored(job_id).state is JobState.DONE


async def test_a_lost_lease_ends_the_attempt_without_a_word(workshop: Workshop) -> None:
    async def lose() -> None:
        raise LeaseLost

    workshop.act = lose
    job_id = await workshop.promise()
    await workshop.turn()
    assert workshop.stored(job_id).state is JobState.RUNNING


async def test_a_job_is_brought_back_over_a_short_outage_and_not_run_again(
    workshop: Workshop,
) -> None:
    job_id, workshop.desk.outages = await workshop.promise(), 2
    with stamina.set_testing(True, attempts=3):
        await workshop.turn()
        await workshop.turn()
    job = workshop.stored(job_id)
    assert (job.state, job.attempt, workshop.desk.outages) == (JobState.DONE, 1, 0)
    assert len(workshop.done) == 1


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
    await workshop.turn()
    logger.remove(sink)

    bound = {
        "job_id": str(job_id),
        "job_kind": "paint_cover",
        "attempt": 1,
        "request_id": "request-1",
        "story_id": workshop.stored(job_id).task["story_id"],
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
