"""Jobs: work that was promised in a transaction and is done after it, at least once."""

from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.entity import Entity, Value

LONGEST_KEY = 200
"""Characters of the name under which a job is unique, at most."""


class Queue(StrEnum):
    """Where jobs wait. Each queue has slots of its own: a flood in one starves no other."""

    STORIES = "stories"
    MAIL = "mail"
    FILES = "files"
    MAINTENANCE = "maintenance"


class Priority(IntEnum):
    """Which jobs of a queue go first."""

    URGENT = 0
    NORMAL = 1
    LOW = 2


class RetryPolicy(Value):
    """How often and how late a failed job is tried again: `first` x 2^n, jittered, up to `cap`.

    No pause leads beyond `budget` after the time when the job was due. A job that waited for longer
    than that without a try still has one.
    """

    attempts: int = Field(ge=1)
    first: timedelta = timedelta(seconds=2)
    cap: timedelta = timedelta(minutes=5)
    budget: timedelta = timedelta(days=2)


class Terms(Value):
    """What holds for every job of a kind; a task declares them, beside the use case that does it.

    `version` counts the shapes of the arguments: a worker leaves jobs of shapes that it does not
    know to newer code. Of jobs that are equal in the fields `unique_by`, one at most waits or runs.
    `timeout` ends an attempt that hangs.
    """

    kind: str = Field(max_length=60)
    queue: Queue
    retry: RetryPolicy
    timeout: timedelta
    unique_by: tuple[str, ...]
    version: int = Field(default=1, ge=1)
    priority: Priority = Priority.NORMAL


class Task(Value):
    """What a job is to do: subclasses name its arguments, which are stored as JSON."""

    terms: ClassVar[Terms]

    @property
    def key(self) -> str:
        """The name under which its job is unique among those of its kind, and is cancelled."""
        name = ":".join(str(getattr(self, field)) for field in self.terms.unique_by)
        return name if len(name) <= LONGEST_KEY else sha256(name.encode()).hexdigest()


class JobState(StrEnum):
    """Where a job stands. The last three are ends; a dead letter can be revived."""

    SCHEDULED = "scheduled"
    """It waits for its time."""

    QUEUED = "queued"
    """It waits for a worker."""

    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELED = "canceled"


class Job(Entity):
    """A row of the outbox. `task` holds the JSON of a `Task`.

    `turn` is its place in fair order: every account's first job stands before any account's second.
    Of its work, `progress` of `progress_total` steps are done, where it counts them.
    """

    kind: str = Field(max_length=60)
    version: int = 1
    task: dict[str, Any]
    queue: Queue
    priority: Priority = Priority.NORMAL
    turn: int = 0
    dedupe_key: str = Field(max_length=LONGEST_KEY)
    account_id: UUID | None = None
    request_id: str | None = Field(default=None, max_length=64)
    schedule: str | None = Field(default=None, max_length=60)
    scheduled_for: AwareDatetime | None = None
    state: JobState = JobState.QUEUED
    attempt: int = 0
    progress: int = 0
    progress_total: int = 0
    created_at: AwareDatetime
    run_at: AwareDatetime
    deadline: AwareDatetime
    woken_at: AwareDatetime | None = None
    lease_until: AwareDatetime | None = None
    lease_token: UUID | None = None
    finished_at: AwareDatetime | None = None
    last_error: str | None = None


class Lease(Value):
    """The right to do one job until `until`; every write for the job is fenced by `token`.

    When it was given, the job's deadline was `time_left` away, or that long ago if it is negative.
    """

    job_id: UUID
    token: UUID
    attempt: int
    until: datetime
    time_left: timedelta


class Schedule(Value):
    """A task that is promised again and again: at each multiple of `every` since 1970, in UTC.

    Ticks that passed while nobody worked are made good by one.
    """

    name: str = Field(max_length=60)
    every: timedelta
    task: Task

    def next_after(self, moment: datetime) -> datetime:
        """Return the first tick after that moment."""
        since = moment - EPOCH
        return EPOCH + (since // self.every + 1) * self.every


EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
