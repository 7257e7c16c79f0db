"""Decide about dead letters by hand, as an operator: one, or all of a kind."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

from domain.audit import Act
from domain.jobs import Job, JobState, Queue
from domain.refusals import JobLives
from usecases.administration.dead_letters import discard, revive
from usecases.ports.reads import JobsPage, Reads
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Taken, Work

PAGE = 100


@dataclass(frozen=True, slots=True)
class TendDeadLetters:
    """Finds, retries and discards dead letters; what is done is recorded as an operator's act."""

    database: Database
    reads: Reads
    clock: Clock

    async def found(
        self, queue: Queue | None = None, kind: str | None = None
    ) -> AsyncGenerator[Job, None]:
        """Yield those of a queue and kind, or all, newest first, a page at a time."""
        after = None
        while jobs := await self.reads.jobs(JobsPage(JobState.DEAD, PAGE, after, queue, kind)):
            for job in jobs:
                yield job
                after = job.finished_at or job.created_at, job.id

    async def retry(self, job_id: UUID) -> Job:
        """Queue one again; workers find it within 2 s, since nobody wakes them from here.

        Raises DeadLetterNotFound, JobLives or MailNotOwed.
        """
        try:
            async with self.database.begin() as work:
                job = await revive(work, job_id, self.clock.now())
                await _record(work, Act.JOB_RETRIED, job)
        except Taken:
            raise JobLives from None
        return job

    async def discard(self, job_id: UUID) -> Job:
        """Put one away. Raises DeadLetterNotFound."""
        async with self.database.begin() as work:
            job = await discard(work, job_id)
            await _record(work, Act.JOB_DISCARDED, job)
        return job


async def _record(work: Work, act: Act, job: Job) -> None:
    detail = {"actor": "operator", "job": str(job.id), "kind": job.kind}
    await work.audit.record(act, job.account_id, detail=detail)
