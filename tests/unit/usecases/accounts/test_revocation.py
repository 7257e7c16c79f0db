"""Sessions end in the truth first; what cannot be told at once is told later."""

import pytest

from domain.audit import Act
from domain.sessions import SessionEnd
from tests.fakes.accounts import DEVICE, AccountDesk
from usecases.accounts.announce_ends import AnnounceEnds, AnnounceEndsTask
from usecases.accounts.revocation import Revocation
from usecases.ports.jobs import Retry


async def test_what_was_over_is_neither_ended_nor_audited_again(desk: AccountDesk) -> None:
    await desk.logged_in()
    revocation = Revocation(desk.database, desk.session_ends, desk.clock)
    for expected in (1, 0):
        async with desk.database.begin() as work:
            held = await work.sessions.lock(desk.session.id)
            assert held is not None
            ended = await revocation.end(work, [held], SessionEnd.ENDED_BY_OWNER, DEVICE)
        assert len(ended) == expected
    acts = [entry.act for entry in desk.database.tables.audit.values()]
    assert acts.count(Act.SESSION_ENDED) == 1
    assert desk.session.end_reason is SessionEnd.ENDED_BY_OWNER


async def test_an_end_that_cannot_be_told_becomes_a_job(desk: AccountDesk) -> None:
    session = (await desk.logged_in()).session
    revocation = Revocation(desk.database, desk.session_ends, desk.clock)
    desk.session_ends.is_down = True
    await revocation.announce([session])
    [task] = [
        AnnounceEndsTask.model_validate(job.task)
        for job in desk.database.tables.jobs.values()
        if job.kind == AnnounceEndsTask.terms.kind
    ]
    assert task.session_ids == (session.id,)

    announce = AnnounceEnds(desk.session_ends)
    with pytest.raises(Retry):
        await announce(task.session_ids)
    desk.session_ends.is_down = False
    await announce(task.session_ids)
    assert desk.session_ends.announced == [session.id]
