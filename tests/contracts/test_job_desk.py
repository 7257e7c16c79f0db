"""What a `JobDesk` promises, real or fake."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.jobs import Job, SendDelivery
from tests.contracts.conftest import LEASE, Truth
from usecases.ports.transactions import LeaseLost

HOUR = timedelta(hours=1)


async def promised(truth: Truth, *, after: timedelta | None = None) -> Job:
    """Return a job that waits, due after a while if that is given."""
    async with truth.database.begin() as work:
        job = await work.jobs.add(SendDelivery(delivery_id=uuid4()), dedupe_key=str(uuid4()))
    if after is None:
        return job
    claimed = await truth.desk.claim(job.id)
    assert claimed is not None
    await truth.desk.retry(claimed[1], job.run_at + after, "not yet")
    return job


async def ids_due(truth: Truth, limit: int = 10) -> list[UUID]:
    return [job.id for job in await truth.desk.due(limit)]


async def test_claiming_gives_the_job_and_the_right_to_do_it(truth: Truth) -> None:
    job = await promised(truth)
    claimed = await truth.desk.claim(job.id)
    assert claimed is not None
    mine, lease = claimed
    assert (mine.id, mine.attempt, mine.lease_token) == (job.id, 1, lease.token)
    assert (lease.job_id, lease.attempt, lease.until) == (job.id, 1, mine.lease_until)


async def test_a_job_that_runs_is_not_claimed_again(truth: Truth) -> None:
    job = await promised(truth)
    assert await truth.desk.claim(job.id) is not None
    assert await truth.desk.claim(job.id) is None


async def test_of_workers_that_claim_at_once_one_has_it(truth: Truth) -> None:
    job = await promised(truth)
    claims = await asyncio.gather(*(truth.desk.claim(job.id) for _ in range(8)))
    assert sum(claim is not None for claim in claims) == 1


async def test_an_unknown_job_is_not_claimed(truth: Truth) -> None:
    assert await truth.desk.claim(uuid4()) is None


async def test_a_renewed_lease_holds_longer(truth: Truth) -> None:
    job = await promised(truth)
    claimed = await truth.desk.claim(job.id)
    assert claimed is not None
    await truth.let_time_pass(LEASE * 0.9)
    renewed = await truth.desk.renew(claimed[1])
    await truth.let_time_pass(LEASE * 0.9)

    assert await truth.desk.claim(job.id) is None
    await truth.desk.finish(renewed)


async def test_a_lease_that_ran_out_is_taken_over_as_another_attempt(truth: Truth) -> None:
    job = await promised(truth)
    first = await truth.desk.claim(job.id)
    await truth.let_time_pass(LEASE)
    second = await truth.desk.claim(job.id)
    assert first is not None
    assert second is not None
    assert second[0].attempt == 2
    for act in (truth.desk.renew, truth.desk.finish, truth.desk.release):
        with pytest.raises(LeaseLost):
            await act(first[1])
    with pytest.raises(LeaseLost):
        await truth.desk.retry(first[1], job.run_at, "late")
    with pytest.raises(LeaseLost):
        await truth.desk.bury(first[1], "late")
    await truth.desk.finish(second[1])


async def test_a_finished_job_is_over(truth: Truth) -> None:
    job = await promised(truth)
    claimed = await truth.desk.claim(job.id)
    assert claimed is not None
    await truth.desk.finish(claimed[1])
    await truth.let_time_pass(HOUR)

    assert await truth.desk.claim(job.id) is None
    assert await ids_due(truth) == []
    with pytest.raises(LeaseLost):
        await truth.desk.finish(claimed[1])


async def test_a_job_to_be_tried_again_waits_for_its_time(truth: Truth) -> None:
    job = await promised(truth, after=HOUR)
    assert await truth.desk.claim(job.id) is None
    assert await ids_due(truth) == []

    await truth.let_time_pass(HOUR * 2)
    assert await ids_due(truth) == [job.id]
    claimed = await truth.desk.claim(job.id)
    assert claimed is not None
    assert (claimed[0].attempt, claimed[0].last_error) == (2, "not yet")


async def test_a_buried_job_stays_buried(truth: Truth) -> None:
    job = await promised(truth)
    claimed = await truth.desk.claim(job.id)
    assert claimed is not None
    await truth.desk.bury(claimed[1], "hopeless")
    await truth.let_time_pass(HOUR)

    assert await truth.desk.claim(job.id) is None
    assert await ids_due(truth) == []


async def test_a_released_job_is_due_at_once_and_was_not_tried(truth: Truth) -> None:
    job = await promised(truth)
    assert await ids_due(truth) == [job.id]
    claimed = await truth.desk.claim(job.id)
    assert claimed is not None
    await truth.desk.release(claimed[1])

    assert await ids_due(truth) == [job.id]
    again = await truth.desk.claim(job.id)
    assert again is not None
    assert again[0].attempt == 1
    assert again[1].token != claimed[1].token


async def test_a_job_can_be_released_for_later(truth: Truth) -> None:
    job = await promised(truth)
    claimed = await truth.desk.claim(job.id)
    assert claimed is not None
    await truth.desk.release(claimed[1], until=job.run_at + HOUR)
    assert await ids_due(truth) == []

    await truth.let_time_pass(HOUR * 2)
    again = await truth.desk.claim(job.id)
    assert again is not None
    assert again[0].attempt == 1


async def test_due_jobs_come_oldest_first_and_are_noted_as_woken(truth: Truth) -> None:
    jobs = [await promised(truth) for _ in range(3)]
    assert await ids_due(truth, limit=2) == [job.id for job in jobs[:2]]
    assert await ids_due(truth, limit=2) == [jobs[2].id]
    assert await ids_due(truth) == []

    await truth.let_time_pass(timedelta(seconds=6))
    assert await ids_due(truth) == [job.id for job in jobs]


async def test_a_job_whose_worker_died_is_due(truth: Truth) -> None:
    job = await promised(truth)
    assert await truth.desk.claim(job.id) is not None
    assert await ids_due(truth) == []
    await truth.let_time_pass(LEASE)
    assert await ids_due(truth) == [job.id]
    assert await ids_due(truth) == []


async def test_a_wake_up_before_the_lease_ran_out_does_not_count(truth: Truth) -> None:
    job = await promised(truth)
    assert await ids_due(truth) == [job.id]
    assert await truth.desk.claim(job.id) is not None
    await truth.let_time_pass(LEASE)
    assert await ids_due(truth) == [job.id]


async def test_promises_are_announced_from_the_start(truth: Truth) -> None:
    announced = truth.desk.promised()
    async with asyncio.timeout(5):
        await anext(announced)
    await announced.aclose()
