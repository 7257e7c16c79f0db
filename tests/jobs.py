"""Every kind of job that there is, and how tests take them."""

from domain.jobs import Job, Lease, Queue
from usecases.accounts.announce_ends import AnnounceEndsTask
from usecases.accounts.erase_accounts import EraseAccountsTask
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.maintenance.sweep import SweepTask
from usecases.ports.jobs import JobDesk
from usecases.stories.write_story import WriteStoryTask

KNOWN = (
    WriteStoryTask.terms,
    SendDeliveryTask.terms,
    AnnounceEndsTask.terms,
    EraseAccountsTask.terms,
    SweepTask.terms,
)


async def claimed(desk: JobDesk, queue: Queue) -> tuple[Job, Lease]:
    """Take the next job of the queue."""
    claim = await desk.claim(queue, KNOWN)
    assert claim is not None, "no job waits"
    return claim


async def claim_of(desk: JobDesk, job: Job) -> tuple[Job, Lease] | None:
    """Take this job, if it waits; those whose turn was before it are handed back."""
    before = []
    while claim := await desk.claim(job.queue, KNOWN):
        if claim[0].id == job.id:
            break
        before.append(claim[1])
    for lease in before:
        await desk.release(lease)
    return claim
