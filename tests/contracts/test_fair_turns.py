"""No account waits for more than one job of each other account, whatever they promise."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db.database import SqlDatabase, create_engine
from db.job_desk import SqlJobDesk
from domain.jobs import Job, Lease, Queue
from tests.fakes.database import FakeDatabase, FakeJobDesk, FakeJobQueue
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.jobs import JobDesk
from usecases.ports.transactions import Database

ACCOUNTS = [UUID(int=number) for number in range(1, 5)]
WEEK = timedelta(days=7)

PROMISES = st.tuples(st.just("promise"), st.sampled_from(ACCOUNTS), st.integers(1, 6))
CLAIMS = st.tuples(st.just("claim"), st.just(ACCOUNTS[0]), st.integers(1, 4))
FINISHES = st.tuples(st.just("finish"), st.just(ACCOUNTS[0]), st.integers(1, 4))
RELEASES = st.tuples(st.just("release"), st.just(ACCOUNTS[0]), st.just(1))
ACTS = st.lists(st.one_of(PROMISES, CLAIMS, FINISHES, RELEASES), max_size=30)


@dataclass
class Office:
    """A queue, and for each account that had none: who went before its first job since then."""

    database: Database
    desk: JobDesk
    leases: list[tuple[Job, Lease]] = field(default_factory=list)
    waiting: dict[UUID, list[UUID]] = field(default_factory=dict)
    before: dict[UUID, Counter[UUID]] = field(default_factory=dict)
    returned: set[UUID] = field(default_factory=set)

    async def do(self, act: str, account_id: UUID, times: int) -> None:
        for _ in range(times):
            await getattr(self, act)(account_id)

    async def promise(self, account_id: UUID) -> None:
        async with self.database.begin() as work:
            job = await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()), account_id=account_id)
        runs = any(job.account_id == account_id for job, _ in self.leases)
        if not self.waiting.get(account_id) and not runs:
            self.before[job.id] = Counter()
        self.waiting.setdefault(account_id, []).append(job.id)

    async def claim(self, _: UUID) -> None:
        claim = await self.desk.claim(Queue.MAIL, [SendDeliveryTask.terms])
        assert (claim is not None) == any(self.waiting.values())
        if claim is None:
            return
        job = claim[0]
        assert job.account_id is not None
        self.leases.append(claim)
        self.waiting[job.account_id].remove(job.id)
        self.before.pop(job.id, None)
        if job.id in self.returned:
            return
        for first, others in self.before.items():
            others[job.account_id] += 1
            assert others[job.account_id] <= 1, f"{first} waits for another round"

    async def finish(self, _: UUID) -> None:
        if self.leases:
            await self.desk.finish(self.leases.pop(0)[1])

    async def release(self, _: UUID) -> None:
        if self.leases:
            job, lease = self.leases.pop(0)
            await self.desk.release(lease)
            assert job.account_id is not None
            self.waiting[job.account_id].append(job.id)
            self.returned.add(job.id)


@given(ACTS)
async def test_one_job_of_each_other_account_goes_first_at_most(
    acts: list[tuple[str, UUID, int]],
) -> None:
    database = FakeDatabase()
    office = Office(database, FakeJobDesk(database, lease=WEEK))
    for act in [*acts, ("claim", ACCOUNTS[0], 200)]:
        await office.do(*act)
    assert not any(office.waiting.values())


@given(ACTS)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_so_it_is_in_postgresql(postgres_url: str, acts: list[tuple[str, UUID, int]]) -> None:
    engine = create_engine(postgres_url)
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE jobs"))
    office = Office(SqlDatabase(engine, FakeJobQueue()), SqlJobDesk(engine, lease=WEEK))
    for act in acts:
        await office.do(*act)
    while any(office.waiting.values()):
        await office.claim(ACCOUNTS[0])
    await engine.dispose()


@pytest.mark.parametrize("at_once", [1, 3])
async def test_a_chain_of_jobs_starves_nobody_while_a_long_one_runs(at_once: int) -> None:
    """An account that promises its next job as soon as one ends goes no faster than in turn."""
    database = FakeDatabase()
    office = Office(database, FakeJobDesk(database, lease=WEEK))
    long, chain, other = ACCOUNTS[:3]
    await office.promise(long)
    await office.claim(long)
    await office.do("promise", other, 10)
    ran: Counter[UUID] = Counter()
    await office.do("promise", chain, at_once)
    for _ in range(12):
        await office.claim(chain)
        job, lease = office.leases.pop()
        assert job.account_id is not None
        ran[job.account_id] += 1
        await office.desk.finish(lease)
        if job.account_id == chain:
            await office.promise(chain)
    assert ran == {chain: 6, other: 6}
