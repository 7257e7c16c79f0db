"""Jobs as admins see them: what waits, runs, and has failed for good; no text and no address."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from domain.jobs import Job, JobState, Queue
from schema import published
from schema.context import Info
from schema.nodes import ACCOUNT, global_id
from schema.pages import First, PageInfoType, Place, read_page
from schema.scalars import Cursor
from usecases.ports.reads import JobsPage, QueueLoad

published.as_enum(
    Queue,
    "Where jobs wait. Each queue has slots of its own in every worker.",
    {
        Queue.STORIES: "Stories to be written.",
        Queue.MAIL: "Mails and text messages to be sent.",
        Queue.FILES: "Files to be made.",
        Queue.MAINTENANCE: "What the service does for itself.",
    },
)

JOB_ID = "Unique among jobs; the same in logs, as `job_id`, and for `./storyloom jobs`."
KIND = "What it does, like `write_story`."
CREATED = "When it was promised."
WHOSE = (
    "The account that it is for, by the `id` that it has for its owner; null where it is none's."
)
REQUEST = "The request that caused it, as logs name it; null where there was none."

InQueue = Annotated[
    Queue | None, strawberry.argument(name="queue", description="Of this queue alone.")
]
OfKind = Annotated[str | None, strawberry.argument(name="kind", description="Of this kind alone.")]


@published.as_type
class QueueLoadType:
    """What is in a queue."""

    queue: Queue = strawberry.field(description="Which queue.")
    scheduled: int = strawberry.field(description="Jobs that wait for their time.")
    queued: int = strawberry.field(description="Jobs that wait for a worker.")
    running: int = strawberry.field(description="Jobs that a worker has.")
    dead: int = strawberry.field(description="Dead letters: jobs that failed for good.")
    oldest_waiting_seconds: float | None = strawberry.field(
        description="For how long the job has been due that waits for a worker longest; null where "
        "none waits."
    )

    @classmethod
    def tell(cls, load: QueueLoad) -> Self:
        """Make the published form of a load."""
        return cls(
            queue=load.queue,
            scheduled=load.scheduled,
            queued=load.queued,
            running=load.running,
            dead=load.dead,
            oldest_waiting_seconds=None if load.oldest is None else load.oldest.total_seconds(),
        )


@published.as_type
class DeadLetterType:
    """A job that failed for good, and waits until somebody looks."""

    id: strawberry.ID = strawberry.field(description=JOB_ID)
    kind: str = strawberry.field(description=KIND)
    queue: Queue = strawberry.field(description="Where it waited.")
    attempts: int = strawberry.field(description="How often it was tried.")
    created_at: datetime = strawberry.field(description=CREATED)
    finished_at: datetime = strawberry.field(description="When it was given up.")
    error: str = strawberry.field(
        description="Why the last try failed, in the service's own words: never a text, an address "
        "or a secret."
    )
    account_id: strawberry.ID | None = strawberry.field(description=WHOSE)
    request_id: str | None = strawberry.field(description=REQUEST)

    @classmethod
    def tell(cls, job: Job) -> Self:
        """Make the published form of a dead job."""
        return cls(
            id=strawberry.ID(str(job.id)),
            kind=job.kind,
            queue=job.queue,
            attempts=job.attempt,
            created_at=job.created_at,
            finished_at=job.finished_at or job.created_at,
            error=job.last_error or "",
            account_id=_public(job.account_id),
            request_id=job.request_id,
        )


@published.as_type
class DeadLetterEdgeType:
    """A dead letter in a list."""

    cursor: Cursor = strawberry.field(description="Its place in the list.")
    node: DeadLetterType = strawberry.field(description="The dead letter.")


@published.as_type
class DeadLetterConnectionType:
    """A page of dead letters."""

    edges: list[DeadLetterEdgeType] = strawberry.field(description="The letters with their places.")
    page_info: PageInfoType = strawberry.field(description="Where the page begins and ends.")

    @strawberry.field(description="The dead letters of this page.")
    def nodes(self) -> list[DeadLetterType]:
        """Leave out the edges."""
        return [edge.node for edge in self.edges]


@published.as_type
class RunningJobType:
    """A job that a worker has."""

    id: strawberry.ID = strawberry.field(description=JOB_ID)
    kind: str = strawberry.field(description=KIND)
    queue: Queue = strawberry.field(description="Where it waited.")
    attempt: int = strawberry.field(description="Which try it is, counted from 1.")
    progress: int = strawberry.field(description="How many steps are done: of a story, chapters.")
    progress_total: int = strawberry.field(
        description="How many steps there are; 0 where that is not known, or none are counted."
    )
    created_at: datetime = strawberry.field(description=CREATED)
    last_error: str | None = strawberry.field(
        description="Why the try before failed; null where none did."
    )
    account_id: strawberry.ID | None = strawberry.field(description=WHOSE)
    request_id: str | None = strawberry.field(description=REQUEST)

    @classmethod
    def tell(cls, job: Job) -> Self:
        """Make the published form of a running job."""
        return cls(
            id=strawberry.ID(str(job.id)),
            kind=job.kind,
            queue=job.queue,
            attempt=job.attempt,
            progress=job.progress,
            progress_total=job.progress_total,
            created_at=job.created_at,
            last_error=job.last_error,
            account_id=_public(job.account_id),
            request_id=job.request_id,
        )


@published.as_type
class RunningJobEdgeType:
    """A running job in a list."""

    cursor: Cursor = strawberry.field(description="Its place in the list.")
    node: RunningJobType = strawberry.field(description="The job.")


@published.as_type
class RunningJobConnectionType:
    """A page of running jobs."""

    edges: list[RunningJobEdgeType] = strawberry.field(description="The jobs with their places.")
    page_info: PageInfoType = strawberry.field(description="Where the page begins and ends.")

    @strawberry.field(description="The jobs of this page.")
    def nodes(self) -> list[RunningJobType]:
        """Leave out the edges."""
        return [edge.node for edge in self.edges]


async def queue_loads(info: Info) -> list[QueueLoadType]:
    """Answer with all queues; only admins ever hold their parent."""
    return [QueueLoadType.tell(load) for load in await info.context.reads.queues()]


async def dead_letters(
    info: Info, first: First = 20, after: Place = None, queue: InQueue = None, kind: OfKind = None
) -> DeadLetterConnectionType:
    """Answer with a page of dead letters; only admins ever hold their parent."""
    page = JobsPage(JobState.DEAD, first, queue=queue, kind=kind)
    placed, page_info = await read_page(info.context.reads.jobs, page, after, _place)
    edges = [
        DeadLetterEdgeType(cursor=cursor, node=DeadLetterType.tell(job)) for cursor, job in placed
    ]
    return DeadLetterConnectionType(edges=edges, page_info=page_info)


async def running_jobs(
    info: Info, first: First = 20, after: Place = None, queue: InQueue = None
) -> RunningJobConnectionType:
    """Answer with a page of running jobs; only admins ever hold their parent."""
    page = JobsPage(JobState.RUNNING, first, queue=queue)
    placed, page_info = await read_page(info.context.reads.jobs, page, after, _place)
    edges = [
        RunningJobEdgeType(cursor=cursor, node=RunningJobType.tell(job)) for cursor, job in placed
    ]
    return RunningJobConnectionType(edges=edges, page_info=page_info)


def _place(job: Job) -> tuple[datetime, UUID]:
    return job.finished_at or job.created_at, job.id


def _public(account_id: UUID | None) -> strawberry.ID | None:
    return None if account_id is None else global_id(ACCOUNT, account_id)
