"""Give a job that failed for good another chance."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.audit import Act
from domain.jobs import Job
from domain.refusals import JobLives
from domain.sessions import AccessClaims, Device
from usecases.administration.authorize_admin import AuthorizeAdmin
from usecases.administration.dead_letters import revive
from usecases.administration.managed_accounts import checked_reason
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Taken


@dataclass(frozen=True, slots=True)
class RetryDeadLetter:
    """Queues a dead letter again for an admin, with all its tries, and revives what it is about."""

    authorize_admin: AuthorizeAdmin
    database: Database
    clock: Clock

    async def __call__(
        self, claims: AccessClaims, device: Device, *, job_id: UUID, reason: str
    ) -> Job:
        """Return the job.

        Raises Unauthenticated, Forbidden, ReauthenticationRequired, InvalidInput,
        DeadLetterNotFound, JobLives or MailNotOwed.
        """
        try:
            async with self.database.begin() as work:
                admin = await self.authorize_admin.within(work, claims, device)
                why = checked_reason(reason)
                job = await revive(work, job_id, self.clock.now())
                await admin.record(
                    work,
                    Act.JOB_RETRIED,
                    job.account_id,
                    job=str(job.id),
                    kind=job.kind,
                    reason=why,
                )
        except Taken:
            raise JobLives from None
        logger.bind(job_id=str(job.id), job_kind=job.kind, admin_id=str(admin.account_id)).info(
            "An admin retried a dead letter"
        )
        return job
