"""Dead letters: what is retried, what is refused, and what is told of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.audit import Act
from domain.deliveries import Delivery, DeliveryKind, DeliveryStatus
from domain.jobs import Job, JobState, Task
from domain.refusals import DeadLetterNotFound, JobLives, MailNotOwed
from domain.stories import Story, StoryStatus
from tests.factories import a_delivery, a_story, an_account
from tests.fakes.clock import START, FakeClock
from tests.fakes.database import FakeDatabase, FakeJobDesk, FakeJobQueue
from tests.fakes.reads import FakeReads
from tests.jobs import claim_of
from usecases.administration.tend_dead_letters import PAGE, TendDeadLetters
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.stories.write_story import WriteStoryTask

CODE = DeliveryKind.SIGN_UP_CODE


@dataclass
class Shelf:
    """Where dead letters lie."""

    clock: FakeClock = field(default_factory=FakeClock)
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)

    def __post_init__(self) -> None:
        self.database = FakeDatabase(self.clock, self.queue)
        self.account_id = uuid4()
        self.tend = TendDeadLetters(self.database, FakeReads(self.database), self.clock)

    async def open(self) -> None:
        """Let somebody in whom the letters are for."""
        async with self.database.begin() as work:
            self.account_id = (await work.accounts.add(an_account())).id

    async def dead(self, task: Task, key: str | None = None) -> Job:
        """Return a job that failed for good."""
        async with self.database.begin() as work:
            job = await work.jobs.add(task, account_id=self.account_id, key=key)
        desk = FakeJobDesk(self.database)
        claim = await claim_of(desk, job)
        assert claim is not None
        await desk.bury(claim[1], "hopeless")
        return job

    async def failed_story(self, **known: object) -> tuple[Story, Job]:
        """Return a story that ended, and its dead letter."""
        story = a_story(self.account_id, started_at=START, attempt=8, **known)
        if "status" not in known:
            story.fail("UPSTREAM_UNAVAILABLE", "Gone.", START)
        async with self.database.begin() as work:
            await work.stories.add(story)
        return story, await self.dead(WriteStoryTask(story_id=story.id))

    async def failed_mail(self, **known: object) -> tuple[Delivery, Job]:
        """Return a mail that was given up, and its dead letter."""
        delivery = a_delivery(self.account_id, **known)
        delivery.fail(START, "hopeless")
        async with self.database.begin() as work:
            await work.deliveries.add(delivery)
        return delivery, await self.dead(SendDeliveryTask(delivery_id=delivery.id))

    def story(self, story_id: UUID) -> Story:
        return self.database.tables.stories[story_id]

    def job(self, job_id: UUID) -> Job:
        return self.database.tables.jobs[job_id]


@pytest.fixture
async def shelf() -> Shelf:
    shelf = Shelf()
    await shelf.open()
    return shelf


async def test_a_job_that_was_started_before_can_be_retried_and_its_story_with_it(
    shelf: Shelf,
) -> None:
    story, job = await shelf.failed_story()
    woken = len(shelf.queue.woken)
    await shelf.tend.retry(job.id)

    again = shelf.story(story.id)
    assert (again.status, again.started_at, again.attempt) == (StoryStatus.QUEUED, START, 8)
    assert (again.failure_code, again.failure_message, again.failed_at) == (None, None, None)
    assert (shelf.job(job.id).state, shelf.job(job.id).attempt) == (JobState.QUEUED, 0)
    assert [one.id for one in shelf.queue.woken[woken:]] == [job.id]
    assert shelf.database.acts == [(Act.JOB_RETRIED, shelf.account_id)]
    claim = await claim_of(FakeJobDesk(shelf.database), job)
    assert claim is not None
    assert claim[0].attempt == 1


async def test_a_story_that_no_attempt_began_is_told_as_restarted_all_the_same(
    shelf: Shelf,
) -> None:
    story, job = await shelf.failed_story()
    async with shelf.database.begin() as work:
        stored = await work.stories.lock(story.id)
        assert stored is not None
        stored.attempt = 0
    await shelf.tend.retry(job.id)
    assert shelf.story(story.id).attempt == 1


@pytest.mark.parametrize(
    "end", [StoryStatus.BLOCKED, StoryStatus.READY, StoryStatus.CANCELED], ids=str
)
async def test_a_story_that_came_to_another_end_keeps_it(shelf: Shelf, end: StoryStatus) -> None:
    story, job = await shelf.failed_story(status=end)
    await shelf.tend.retry(job.id)
    assert shelf.story(story.id).status is end


async def test_a_mail_is_owed_again(shelf: Shelf) -> None:
    delivery, job = await shelf.failed_mail()
    await shelf.tend.retry(job.id)
    again = shelf.database.tables.deliveries[delivery.id]
    assert (again.status, again.failed_at) == (DeliveryStatus.QUEUED, None)


@pytest.mark.parametrize(
    "known",
    [
        {"expires_at": START + timedelta(seconds=1)},
        {"expires_at": START + timedelta(seconds=1), "kind": CODE},
        {"kind": CODE, "attempts": 1},
    ],
    ids=["an expired mail", "an expired code", "a code that may have come"],
)
async def test_a_mail_that_is_worth_nothing_any_more_is_not_owed_again(
    shelf: Shelf, known: dict[str, object]
) -> None:
    delivery, job = await shelf.failed_mail(**known)
    shelf.clock.advance(timedelta(seconds=1))
    with pytest.raises(MailNotOwed):
        await shelf.tend.retry(job.id)
    assert shelf.job(job.id).state is JobState.DEAD
    assert shelf.database.tables.deliveries[delivery.id].status is DeliveryStatus.FAILED
    assert shelf.database.acts == []


async def test_of_two_jobs_that_do_the_same_one_lives(shelf: Shelf) -> None:
    story, job = await shelf.failed_story()
    async with shelf.database.begin() as work:
        await work.jobs.add(WriteStoryTask(story_id=story.id))
    with pytest.raises(JobLives):
        await shelf.tend.retry(job.id)
    assert shelf.story(story.id).status is StoryStatus.FAILED


async def test_arguments_that_are_not_valid_bring_nothing_back(shelf: Shelf) -> None:
    _, job = await shelf.failed_story()
    async with shelf.database.alone() as tables:
        tables.jobs[job.id].task = {"story_id": "rubbish"}
    await shelf.tend.retry(job.id)
    assert shelf.job(job.id).state is JobState.QUEUED


async def test_a_discarded_letter_is_over_and_its_story_stays_failed(shelf: Shelf) -> None:
    story, job = await shelf.failed_story()
    await shelf.tend.discard(job.id)
    assert shelf.job(job.id).state is JobState.CANCELED
    assert shelf.story(story.id).status is StoryStatus.FAILED
    assert shelf.database.acts == [(Act.JOB_DISCARDED, shelf.account_id)]
    for act in (shelf.tend.retry, shelf.tend.discard):
        with pytest.raises(DeadLetterNotFound):
            await act(job.id)


async def test_all_letters_are_found_however_many_they_are(shelf: Shelf) -> None:
    jobs = [await shelf.dead(SendDeliveryTask(delivery_id=uuid4())) for _ in range(PAGE + 2)]
    found = [job.id async for job in shelf.tend.found()]
    assert sorted(found) == sorted(job.id for job in jobs)
    assert [job async for job in shelf.tend.found(kind="write_story")] == []
