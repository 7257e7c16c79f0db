"""Jobs: work that was promised in a transaction and is done after it, at least once."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, TypeAdapter

from domain.entity import Entity, Value


class WriteStory(Value):
    """Write this story."""

    kind: Literal["write_story"] = "write_story"
    story_id: UUID


class SendDelivery(Value):
    """Send this mail."""

    kind: Literal["send_delivery"] = "send_delivery"
    delivery_id: UUID


class AnnounceEnds(Value):
    """Tell every process that these sessions have ended."""

    kind: Literal["announce_ends"] = "announce_ends"
    session_ids: tuple[UUID, ...]


Task = Annotated[WriteStory | SendDelivery | AnnounceEnds, Field(discriminator="kind")]
"""What a job is to do: its kind and its arguments, as they are stored."""

TASKS: TypeAdapter[Task] = TypeAdapter(Task)


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELED = "canceled"


class Job(Entity):
    """A row of the outbox. `task` holds the JSON of a `Task`."""

    kind: str = Field(max_length=60)
    task: dict[str, Any]
    dedupe_key: str = Field(max_length=200)
    account_id: UUID | None = None
    request_id: str | None = Field(default=None, max_length=64)
    state: JobState = JobState.QUEUED
    attempt: int = 0
    created_at: AwareDatetime
    run_at: AwareDatetime
    woken_at: AwareDatetime | None = None
    lease_until: AwareDatetime | None = None
    lease_token: UUID | None = None
    finished_at: AwareDatetime | None = None
    last_error: str | None = None


class Lease(Value):
    """The right to do one job until `until`; every write for the job is fenced by `token`."""

    job_id: UUID
    token: UUID
    attempt: int
    until: datetime


class RetryPolicy(Value):
    """How often and how late a failed job is tried again: `first` x 2^n, jittered, up to `cap`."""

    attempts: int
    first: timedelta = timedelta(seconds=2)
    cap: timedelta = timedelta(minutes=5)
