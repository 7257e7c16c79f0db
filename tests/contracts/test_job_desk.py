"""What a `JobDesk` promises, real or fake."""

import asyncio
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest

from domain.jobs import Job, JobState, Lease, Priority, Queue, RetryPolicy, Schedule, Task, Terms
from tests.contracts.conftest import LEASE, Truth
from tests.jobs import KNOWN, claimed
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.maintenance.sweep import SweepTask
from usecases.ports.transactions import LeaseLost, Taken

HOUR = timedelta(hours=1)
WAKE_AGAIN = timedelta(seconds=1)
MAIL = [SendDeliveryTask.terms]
SWEEP = Schedule(name="sweep", every=HOUR, task=SweepTask())


class Postcard(Task):
    """A kind of task that not every worker knows."""

    terms: ClassVar[Terms] = Terms(
        kind="postcard",
        queue=Queue.MAIL,
        retry=RetryPolicy(attempts=2),
        timeout=timedelta(seconds=1),
        unique_by=("number",),
        version=2,
    )
    number: int


async def promised(truth: Truth, **terms: Any) -> Job:  # noqa: ANN401 - `Jobs.add` checks them
    async with truth.database.begin() as work:
        return await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()), **terms)


async def lease_of_next(truth: Truth) -> Lease:
    return (await claimed(truth.desk, Queue.MAIL))[1]


async def buried(truth: Truth, **terms: Any) -> Job:  # noqa: ANN401
    job = await promised(truth, **terms)
    await truth.desk.bury(await lease_of_next(truth), "hopeless")
    return job


async def ids_due(truth: Truth, limit: int = 10) -> list[UUID]:
    return [job.id for job in await truth.desk.due(limit, KNOWN)]


async def order(truth: Truth) -> list[UUID]:
    """Claim all that waits, and return it in the order of the claims."""
    taken = []
    while claim := await truth.desk.claim(Queue.MAIL, MAIL):
        taken.append(claim[0].id)
    return taken


# --- claims ---------------------------------------------------------------------------------------


async def test_claiming_gives_the_job_and_the_right_to_do_it(truth: Truth) -> None:
    job = await promised(truth)
    mine, lease = await claimed(truth.desk, Queue.MAIL)
    assert (mine.id, mine.state, mine.attempt) == (job.id, JobState.RUNNING, 1)
    assert (lease.job_id, lease.token, lease.attempt) == (job.id, mine.lease_token, 1)
    assert lease.until == mine.lease_until


async def test_of_workers_that_claim_at_once_each_has_another_job(truth: Truth) -> None:
    jobs = {(await promised(truth)).id for _ in range(3)}
    claims = await asyncio.gather(*(truth.desk.claim(Queue.MAIL, MAIL) for _ in range(8)))
    taken = [claim[0].id for claim in claims if claim is not None]
    assert len(taken) == 3
    assert set(taken) == jobs


async def test_a_queue_gives_its_own_jobs_alone(truth: Truth) -> None:
    job = await promised(truth)
    assert await truth.desk.claim(Queue.STORIES, MAIL) is None
    assert (await claimed(truth.desk, Queue.MAIL))[0].id == job.id


async def test_the_most_urgent_goes_first_then_the_turn_then_the_oldest(truth: Truth) -> None:
    mira, jon = uuid4(), uuid4()
    low = await promised(truth, account_id=jon, priority=Priority.LOW)
    miras = [await promised(truth, account_id=mira) for _ in range(3)]
    jons = [await promised(truth, account_id=jon) for _ in range(2)]
    urgent = await promised(truth, account_id=mira, priority=Priority.URGENT)
    expected = [urgent, miras[0], jons[0], miras[1], jons[1], miras[2], low]
    assert await order(truth) == [job.id for job in expected]


async def test_jobs_of_no_account_take_turns_as_one_does(truth: Truth) -> None:
    nobodys = [await promised(truth) for _ in range(3)]
    miras = await promised(truth, account_id=uuid4())
    assert await order(truth) == [job.id for job in (nobodys[0], miras, *nobodys[1:])]


async def test_kinds_and_versions_that_are_unknown_wait(truth: Truth) -> None:
    async with truth.database.begin() as work:
        await work.jobs.add(Postcard(number=1))
    known = await promised(truth)
    older = Postcard.terms.model_copy(update={"version": 1})
    assert (await claimed(truth.desk, Queue.MAIL))[0].id == known.id
    for terms in ([], [older], MAIL):
        assert await truth.desk.claim(Queue.MAIL, terms) is None

    claim = await truth.desk.claim(Queue.MAIL, [*MAIL, older, Postcard.terms])
    assert claim is not None
    assert (claim[0].kind, claim[0].version, claim[0].task) == ("postcard", 2, {"number": 1})


# --- leases ---------------------------------------------------------------------------------------


async def test_a_renewed_lease_holds_longer(truth: Truth) -> None:
    await promised(truth)
    lease = await lease_of_next(truth)
    await truth.let_time_pass(LEASE * 0.9)
    renewed = await truth.desk.renew(lease)
    await truth.let_time_pass(LEASE * 0.9)

    assert await ids_due(truth) == []
    await truth.desk.finish(renewed)


async def test_a_lease_that_ran_out_is_taken_over_as_another_attempt(truth: Truth) -> None:
    job = await promised(truth)
    lost = await lease_of_next(truth)
    await truth.let_time_pass(LEASE)
    assert await ids_due(truth) == [job.id]
    assert await ids_due(truth) == []
    again, lease = await claimed(truth.desk, Queue.MAIL)
    assert again.attempt == 2

    for act in (truth.desk.renew, truth.desk.finish, truth.desk.release):
        with pytest.raises(LeaseLost):
            await act(lost)
    with pytest.raises(LeaseLost):
        await truth.desk.retry(lost, HOUR, "late")
    with pytest.raises(LeaseLost):
        await truth.desk.bury(lost, "late")
    await truth.desk.finish(lease)


async def test_a_finished_job_is_over(truth: Truth) -> None:
    await promised(truth)
    lease = await lease_of_next(truth)
    await truth.desk.finish(lease)
    await truth.let_time_pass(HOUR)

    assert await ids_due(truth) == []
    assert await order(truth) == []
    with pytest.raises(LeaseLost):
        await truth.desk.finish(lease)


async def test_a_job_to_be_tried_again_waits_for_its_time(truth: Truth) -> None:
    job = await promised(truth)
    await truth.desk.retry(await lease_of_next(truth), HOUR, "not yet")
    assert await ids_due(truth) == []
    assert await order(truth) == []

    await truth.let_time_pass(HOUR * 2)
    assert await ids_due(truth) == [job.id]
    again, _ = await claimed(truth.desk, Queue.MAIL)
    assert (again.attempt, again.last_error) == (2, "not yet")


async def test_a_lease_tells_how_much_time_its_job_has(truth: Truth) -> None:
    budget = SendDeliveryTask.terms.retry.budget
    await promised(truth)
    first = await lease_of_next(truth)
    await truth.desk.release(first)
    await truth.let_time_pass(budget + HOUR)
    second = await lease_of_next(truth)
    exactly = pytest.approx(0, abs=5)
    assert (first.time_left - budget).total_seconds() == exactly
    assert (second.time_left + HOUR).total_seconds() == exactly


async def test_a_job_that_comes_back_goes_before_those_that_came_after_it(truth: Truth) -> None:
    job = await promised(truth, account_id=uuid4())
    lease = await lease_of_next(truth)
    later = [await promised(truth, account_id=uuid4()) for _ in range(2)]
    await truth.desk.release(lease)
    assert await order(truth) == [job.id, *(job.id for job in later)]


async def test_a_released_job_was_not_tried(truth: Truth) -> None:
    job = await promised(truth)
    lease = await lease_of_next(truth)
    await truth.desk.release(lease)

    assert await ids_due(truth) == [job.id]
    again, another = await claimed(truth.desk, Queue.MAIL)
    assert again.attempt == 1
    assert another.token != lease.token


async def test_progress_is_noted_by_who_holds_the_lease(truth: Truth) -> None:
    await promised(truth)
    lost = await lease_of_next(truth)
    await truth.let_time_pass(LEASE)
    await truth.desk.due(1, KNOWN)
    lease = await lease_of_next(truth)
    async with truth.database.begin(lease) as work:
        await work.jobs.report(lease, 3, 8)
    with pytest.raises(LeaseLost):
        async with truth.database.begin() as work:
            await work.jobs.report(lost, 4, 8)

    await truth.desk.release(lease)
    job, _ = await claimed(truth.desk, Queue.MAIL)
    assert (job.progress, job.progress_total) == (3, 8)


# --- waking ---------------------------------------------------------------------------------------


async def test_a_promised_job_counts_as_woken_for_a_while(truth: Truth) -> None:
    job = await promised(truth)
    assert await ids_due(truth) == []
    await truth.let_time_pass(WAKE_AGAIN * 2)
    assert await ids_due(truth) == [job.id]
    assert await ids_due(truth) == []


async def test_a_job_for_later_is_queued_when_its_time_comes(truth: Truth) -> None:
    now = await promised(truth)
    later = await promised(truth, run_at=now.run_at + HOUR)
    assert (later.state, later.deadline) == (JobState.SCHEDULED, later.run_at + timedelta(days=2))
    assert await order(truth) == [now.id]
    await truth.let_time_pass(HOUR * 2)
    assert later.id in await ids_due(truth)
    assert later.id in await order(truth)


async def test_only_the_head_of_each_queue_is_woken_again(truth: Truth) -> None:
    jobs = [await promised(truth) for _ in range(3)]
    async with truth.database.begin() as work:
        sweep = await work.jobs.add(SweepTask())
    for _ in range(2):
        await truth.let_time_pass(WAKE_AGAIN * 2)
        assert set(await ids_due(truth, limit=2)) == {jobs[0].id, jobs[1].id, sweep.id}
        assert await ids_due(truth, limit=2) == []
    await lease_of_next(truth)
    await truth.let_time_pass(WAKE_AGAIN * 2)
    assert set(await ids_due(truth, limit=2)) == {jobs[1].id, jobs[2].id, sweep.id}


async def test_jobs_that_nobody_here_knows_hide_none_behind_them(truth: Truth) -> None:
    async with truth.database.begin() as work:
        unknown = [(await work.jobs.add(Postcard(number=number))).id for number in range(3)]
    known = (await promised(truth)).id
    await truth.let_time_pass(WAKE_AGAIN * 2)
    assert [job.id for job in await truth.desk.due(2, MAIL)] == [known]
    assert [job.id for job in await truth.desk.due(2, [])] == []
    newer = [*MAIL, Postcard.terms]
    assert [job.id for job in await truth.desk.due(2, newer)] == unknown[:2]
    await truth.let_time_pass(WAKE_AGAIN * 2)
    assert [job.id for job in await truth.desk.due(4, newer)] == [*unknown, known]


async def test_a_job_whose_worker_fell_silent_waits_again_though_it_is_not_known(
    truth: Truth,
) -> None:
    async with truth.database.begin() as work:
        await work.jobs.add(Postcard(number=1))
    assert await truth.desk.claim(Queue.MAIL, [Postcard.terms]) is not None
    await truth.let_time_pass(LEASE)
    assert await truth.desk.due(10, MAIL) == []
    claim = await truth.desk.claim(Queue.MAIL, [Postcard.terms])
    assert claim is not None
    assert claim[0].attempt == 2


# --- ends -----------------------------------------------------------------------------------------


async def test_a_buried_job_stays_buried_until_it_is_revived(truth: Truth) -> None:
    job = await buried(truth)
    await truth.let_time_pass(HOUR)
    assert await ids_due(truth) == []
    assert await order(truth) == []

    before = len(truth.queue.woken)
    async with truth.database.begin() as work:
        revived = await work.jobs.revive(job.id)
        assert revived is not None
        assert (revived.state, revived.attempt, revived.last_error) == (
            JobState.QUEUED,
            0,
            "hopeless",
        )
        assert revived.deadline - revived.run_at == pytest.approx(
            timedelta(days=2), abs=timedelta(seconds=1)
        )
    assert [woken.id for woken in truth.queue.woken[before:]] == [job.id]
    assert (await claimed(truth.desk, Queue.MAIL))[0].attempt == 1


async def test_only_dead_letters_are_revived(truth: Truth) -> None:
    job = await promised(truth)
    async with truth.database.begin() as work:
        assert await work.jobs.revive(job.id) is None
        assert await work.jobs.revive(uuid4()) is None


async def test_a_dead_letter_that_was_promised_anew_is_not_revived(truth: Truth) -> None:
    job = await buried(truth, key="the mail")
    await promised(truth, key="the mail")
    with pytest.raises(Taken):
        async with truth.database.begin() as work:
            await work.jobs.revive(job.id)


async def test_a_discarded_dead_letter_goes_the_way_of_finished_jobs(truth: Truth) -> None:
    job = await buried(truth)
    async with truth.database.begin() as work:
        discarded = await work.jobs.discard(job.id)
        assert discarded is not None
        assert discarded.state is JobState.CANCELED
        assert await work.jobs.discard(job.id) is None
        assert await work.jobs.revive(job.id) is None
    assert discarded.finished_at is not None
    async with truth.database.begin() as work:
        assert await work.jobs.remove_finished(discarded.finished_at + HOUR, 10) == 1


async def test_a_job_is_unique_by_kind_and_key_while_it_waits_or_runs(truth: Truth) -> None:
    later = await promised(truth, key="the mail")
    async with truth.database.begin() as work:
        other_kind = await work.jobs.add(Postcard(number=1), key="the mail")
    assert other_kind.id != later.id
    await truth.desk.retry(await lease_of_next(truth), HOUR, "not yet")
    assert (await promised(truth, key="the mail")).id == later.id


async def test_a_job_is_canceled_by_kind_and_key_wherever_it_stands(truth: Truth) -> None:
    waits = await promised(truth, key="the mail")
    async with truth.database.begin() as work:
        await work.jobs.add(Postcard(number=1), key="the mail")
    later = await promised(truth, key="another", run_at=waits.run_at + HOUR)
    async with truth.database.begin() as work:
        await work.jobs.cancel(SendDeliveryTask, "the mail")
        await work.jobs.cancel(SendDeliveryTask, "another")
    assert truth.queue.called_off == [waits.id, later.id]
    await truth.let_time_pass(HOUR * 2)
    await truth.desk.due(10, KNOWN)
    assert await order(truth) == []
    assert await truth.desk.claim(Queue.MAIL, [Postcard.terms]) is not None


# --- schedules ------------------------------------------------------------------------------------


async def test_a_tick_promises_its_task_once_whoever_asks(truth: Truth) -> None:
    assert await truth.desk.tick([SWEEP]) == []
    ticks = set()
    for _ in range(20):
        await truth.let_time_pass(HOUR)
        both = await asyncio.gather(truth.desk.tick([SWEEP]), truth.desk.tick([SWEEP]))
        [job] = [job for jobs in both for job in jobs]
        assert (job.kind, job.schedule, job.state) == ("sweep", "sweep", JobState.QUEUED)
        ticks.add(job.id)
        _, lease = await claimed(truth.desk, Queue.MAINTENANCE)
        await truth.desk.finish(lease)
    assert len(ticks) == 20


async def test_of_the_ticks_that_were_missed_the_last_is_made_good(truth: Truth) -> None:
    assert await truth.desk.tick([SWEEP]) == []
    await truth.let_time_pass(HOUR * 7)
    [job] = await truth.desk.tick([SWEEP])
    assert job.scheduled_for == SWEEP.next_after(job.run_at) - HOUR
    assert job.dedupe_key == f"sweep@{job.scheduled_for.isoformat()}"
    assert await truth.desk.tick([SWEEP]) == []


async def test_a_schedule_that_becomes_more_frequent_is_due_sooner(truth: Truth) -> None:
    assert await truth.desk.tick([SWEEP.model_copy(update={"every": HOUR * 24 * 365})]) == []
    assert await truth.desk.tick([SWEEP]) == []
    await truth.let_time_pass(HOUR)
    assert len(await truth.desk.tick([SWEEP])) == 1
