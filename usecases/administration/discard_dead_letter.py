"""Put a job away that failed for good."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.audit import Act
from domain.jobs import Job
from domain.sessions import AccessClaims, Device
from usecases.administration.authorize_admin import AuthorizeAdmin
from usecases.administration.dead_letters import discard
from usecases.administration.managed_accounts import checked_reason
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class DiscardDeadLetter:
    """Ends the wait of a dead letter for somebody to look at it; its story or mail stays failed."""

    authorize_admin: AuthorizeAdmin
    database: Database

    async def __call__(
        self, claims: AccessClaims, device: Device, *, job_id: UUID, reason: str
    ) -> Job:
        """Return the job.

        Raises Unauthenticated, Forbidden, ReauthenticationRequired, InvalidInput or
        DeadLetterNotFound.
        """
        async with self.database.begin() as work:
            admin = await self.authorize_admin.within(work, claims, device)
            why = checked_reason(reason)
            job = await discard(work, job_id)
            await admin.record(
                work,
                Act.JOB_DISCARDED,
                job.account_id,
                job=str(job.id),
                kind=job.kind,
                reason=why,
            )
        logger.bind(job_id=str(job.id), job_kind=job.kind, admin_id=str(admin.account_id)).info(
            "An admin discarded a dead letter"
        )
        return job
