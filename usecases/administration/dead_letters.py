"""What becomes of a dead letter, whoever decides it."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import ValidationError

from domain.jobs import Job, Task
from domain.refusals import DeadLetterNotFound
from domain.stories import StoryStatus
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.transactions import Work
from usecases.stories.write_story import WriteStoryTask

T = TypeVar("T", bound=Task)


async def revive(work: Work, job_id: UUID, now: datetime) -> Job:
    """Queue a dead letter again, and bring back to life what it is about.

    A story that failed waits for its next attempt, a mail that was given up is owed again. What
    came to another end stays as it is, and the job then finds nothing to do. The job comes first,
    as its worker locks it. Raises DeadLetterNotFound or MailNotOwed, and Taken where another job of
    its kind and key waits or runs.
    """
    job = await work.jobs.revive(job_id)
    if job is None:
        raise DeadLetterNotFound
    if writing := _task_of(job, WriteStoryTask):
        story = await work.stories.lock(writing.story_id)
        if story is not None and story.status is StoryStatus.FAILED:
            story.reopen()
    if sending := _task_of(job, SendDeliveryTask):
        delivery = await work.deliveries.get(sending.delivery_id)
        if delivery is not None:
            delivery.reopen(now)
    return job


async def discard(work: Work, job_id: UUID) -> Job:
    """Put a dead letter away; what it is about stays as it is. Raises DeadLetterNotFound."""
    job = await work.jobs.discard(job_id)
    if job is None:
        raise DeadLetterNotFound
    return job


def _task_of(job: Job, kind: type[T]) -> T | None:
    """Return the job's task if it is of that kind; arguments that are not valid are about nothing.

    With those a job comes back as a dead letter, unless newer code knows them.
    """
    if job.kind != kind.terms.kind:
        return None
    try:
        return kind.model_validate(job.task)
    except ValidationError:
        return None
