"""What the sweep removes and what it leaves, on both databases."""

import asyncio
from datetime import timedelta
from uuid import UUID

from domain.accounts import AccountStatus
from domain.audit import Act
from domain.deliveries import DeliveryStatus
from domain.sessions import Device, Session, SessionEnd
from tests.contracts.conftest import Truth
from tests.factories import a_delivery, a_refresh_token, a_session, an_account
from tests.fakes.clock import START, FakeClock
from tests.jobs import claim_of
from usecases.administration.verify_audit_trail import VerifyAuditTrail
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.maintenance.sweep import AT_ONCE, Sweep

DEVICE = Device(client_address="203.0.113.7", user_agent="Firefox")
IDLE = timedelta(days=30)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def sweep(truth: Truth, *, after: timedelta) -> Sweep:
    clock = FakeClock()
    clock.advance(after)
    return Sweep(truth.database, clock, IDLE)


async def left(truth: Truth, *session_ids: UUID) -> list[bool]:
    return [await truth.reads.session(key) is not None for key in session_ids]


async def test_sessions_go_a_week_after_their_end_and_their_tokens_with_them(truth: Truth) -> None:
    account = an_account(status=AccountStatus.ACTIVE)
    ended = a_session(account.id, ended_at=START, end_reason=SessionEnd.LOGGED_OUT)
    expired = a_session(account.id, expires_at=START)
    idle = a_session(account.id, last_used_at=START - IDLE)
    live = a_session(account.id, last_used_at=START)
    token = a_refresh_token(ended.id, expires_at=START + 90 * DAY)
    sessions = (ended, expired, idle, live)
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        for session in sessions:
            await work.sessions.add(session)
        await work.sessions.add_token(token)
    keys = [session.id for session in sessions]

    assert await sweep(truth, after=7 * DAY)() == 0
    assert await left(truth, *keys) == [True] * 4
    assert await sweep(truth, after=7 * DAY + MINUTE)() == 3
    assert await left(truth, *keys) == [False, False, False, True]
    async with truth.database.begin() as work:
        assert await work.sessions.token(token.id) is None


async def test_refresh_tokens_go_once_they_have_expired(truth: Truth) -> None:
    account = an_account(status=AccountStatus.ACTIVE)
    session = a_session(account.id)
    used = a_refresh_token(session.id, expires_at=START + HOUR, used_at=START)
    newest = a_refresh_token(session.id, expires_at=START + 2 * HOUR)
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        await work.sessions.add(session)
        for token in (used, newest):
            await work.sessions.add_token(token)

    assert await sweep(truth, after=HOUR + MINUTE)() == 1
    async with truth.database.begin() as work:
        assert await work.sessions.token(used.id) is None
        assert await work.sessions.token(newest.id) is not None


async def test_accounts_that_were_never_proven_go_after_a_day(truth: Truth) -> None:
    stale = an_account(created_at=START)
    fresh = an_account(created_at=START + HOUR)
    proven = an_account(created_at=START, status=AccountStatus.ACTIVE)
    owed = a_delivery(stale.id)
    async with truth.database.begin() as work:
        for account in (stale, fresh, proven):
            await work.accounts.add(account)
        await work.deliveries.add(owed)

    assert await sweep(truth, after=DAY + MINUTE)() == 1
    found = await truth.reads.accounts([stale.id, fresh.id, proven.id])
    assert found.keys() == {fresh.id, proven.id}
    async with truth.database.begin() as work:
        assert await work.deliveries.get(owed.id) is None


async def test_decoys_go_a_week_after_they_were_given_up(truth: Truth) -> None:
    account = an_account(status=AccountStatus.ACTIVE)
    over = {"status": DeliveryStatus.FAILED, "failed_at": START}
    decoy, kept = a_delivery(None, **over), a_delivery(account.id, **over)
    waiting = a_delivery(None)
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        for delivery in (decoy, kept, waiting):
            await work.deliveries.add(delivery)

    assert await sweep(truth, after=7 * DAY + MINUTE)() == 1
    async with truth.database.begin() as work:
        found = [await work.deliveries.get(each.id) for each in (decoy, kept, waiting)]
    assert [delivery is not None for delivery in found] == [False, True, True]


async def test_finished_jobs_go_and_dead_letters_stay(truth: Truth) -> None:
    async with truth.database.begin() as work:
        jobs = [
            await work.jobs.add(SendDeliveryTask(delivery_id=UUID(int=n)), key=str(n))
            for n in range(4)
        ]
        await work.jobs.cancel(SendDeliveryTask, "2")
    for job, bring_back in ((jobs[0], truth.desk.finish), (jobs[1], None)):
        claimed = await claim_of(truth.desk, job)
        assert claimed is not None
        if bring_back is not None:
            await bring_back(claimed[1])
        else:
            await truth.desk.bury(claimed[1], "no use")

    # PostgreSQL notes its own time, so the sweep looks back from long after it.
    assert await sweep(truth, after=20_000 * DAY)() == 2
    await truth.let_time_pass(HOUR)
    assert [await claim_of(truth.desk, job) is not None for job in jobs] == [
        *[False] * 3,
        True,
    ]


async def test_many_are_removed_in_several_turns_and_twice_at_once_does_no_harm(
    truth: Truth,
) -> None:
    account = an_account(status=AccountStatus.ACTIVE)
    sessions: list[Session] = [
        a_session(account.id, ended_at=START, end_reason=SessionEnd.LOGGED_OUT)
        for _ in range(AT_ONCE + 10)
    ]
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        for session in sessions:
            await work.sessions.add(session)

    removed = await asyncio.gather(*(sweep(truth, after=8 * DAY)() for _ in range(2)))
    assert await left(truth, *(session.id for session in sessions)) == [False] * len(sessions)
    assert sum(removed) == len(sessions)


async def test_devices_of_strangers_are_forgotten_after_a_month_and_the_chain_is_whole(
    truth: Truth,
) -> None:
    reader, pending = an_account(status=AccountStatus.ACTIVE), an_account()
    async with truth.database.begin() as work:
        for account in (reader, pending):
            await work.accounts.add(account)
        await work.audit.record(Act.LOG_IN_FAILED, None, device=DEVICE)
        await work.audit.record(Act.SIGNED_UP, pending.id, device=DEVICE)
        await work.audit.record(Act.LOGGED_IN, reader.id, device=DEVICE)
        await work.audit.record(Act.SIGNING_KEYS_ROTATED, None, detail={"kid": "k"})
    last = (await truth.reads.audit_trail(0, 10))[-1].entry.occurred_at

    async def kept(after: timedelta) -> list[bool]:
        await Sweep(truth.database, FakeClock(last + after), IDLE)()
        return [record.details is not None for record in await truth.reads.audit_trail(0, 10)]

    assert await kept(30 * DAY - MINUTE) == [True] * 4
    async with truth.database.begin() as work:
        await work.accounts.erase(pending.id)
    assert await kept(30 * DAY - MINUTE) == [True] * 4
    assert await kept(30 * DAY + MINUTE) == [False, False, True, True]
    verdict = await VerifyAuditTrail(truth.reads)()
    assert (verdict.broken_at, verdict.erased) == (None, 2)
