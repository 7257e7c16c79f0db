"""What an `AuditTrail` promises, real or fake."""

from uuid import UUID, uuid4

import pytest

from domain.audit import GENESIS, Act, AuditRecord
from domain.sessions import Device
from tests.contracts.conftest import Truth
from usecases.administration.verify_audit_trail import VerifyAuditTrail
from usecases.ports.reads import AuditPage

DEVICE = Device(client_address="203.0.113.7", user_agent='Firefox "ü" 🦊')


async def record(truth: Truth, act: Act, account_id: UUID | None, **detail: str) -> None:
    async with truth.database.begin() as work:
        await work.audit.record(act, account_id, device=DEVICE, detail=detail)


async def everything(truth: Truth) -> list[AuditRecord]:
    return await truth.reads.audit_trail(0, 100)


async def test_what_is_recorded_is_there_with_its_details(truth: Truth) -> None:
    account_id, session_id = uuid4(), uuid4()
    async with truth.database.begin() as work:
        await work.audit.record(
            Act.LOGGED_IN,
            account_id,
            session_id=session_id,
            device=DEVICE,
            detail={"method": "password", "a": 'quo"te\\'},
        )
        await work.audit.record(Act.LOG_IN_FAILED, None)
    first, second = await everything(truth)
    assert first.entry.model_dump(include={"act", "account_id", "session_id", "sequence"}) == {
        "act": Act.LOGGED_IN,
        "account_id": account_id,
        "session_id": session_id,
        "sequence": 1,
    }
    assert first.details
    assert first.details.model_dump(include={"client_address", "user_agent", "detail"}) == {
        "client_address": "203.0.113.7",
        "user_agent": 'Firefox "ü" 🦊',
        "detail": {"method": "password", "a": 'quo"te\\'},
    }
    assert first.entry.previous == GENESIS
    assert second.entry.previous == first.entry.digest
    assert (second.entry.account_id, second.entry.session_id) == (None, None)
    assert second.entry.occurred_at >= first.entry.occurred_at


async def test_what_fails_is_not_recorded_and_leaves_no_gap(truth: Truth) -> None:
    await record(truth, Act.SIGNED_UP, uuid4())
    with pytest.raises(LookupError):
        async with truth.database.begin() as work:
            await work.audit.record(Act.LOGGED_IN, uuid4())
            raise LookupError
    await record(truth, Act.LOGGED_OUT, uuid4())
    assert [found.entry.sequence for found in await everything(truth)] == [1, 2]


async def test_the_trail_is_verified_in_pages(truth: Truth) -> None:
    for _ in range(7):
        await record(truth, Act.LOGGED_IN, uuid4(), method="password")
    verdict = await VerifyAuditTrail(truth.reads, page=3)()
    assert verdict.broken_at is None
    assert verdict.head
    assert verdict.head.sequence == 7


async def test_an_account_reads_its_own_newest_first(truth: Truth) -> None:
    mine, theirs = uuid4(), uuid4()
    for number in range(5):
        await record(truth, Act.LOGGED_IN, mine, number=str(number))
        await record(truth, Act.LOGGED_IN, theirs)
        await record(truth, Act.LOG_IN_FAILED, None)
    first = await truth.reads.audit_of(AuditPage(mine, limit=3))
    last = first[-1].entry
    rest = await truth.reads.audit_of(AuditPage(mine, limit=3, after=(last.occurred_at, last.id)))
    numbers = [found.details and found.details.detail["number"] for found in [*first, *rest]]
    assert numbers == ["4", "3", "2", "1", "0"]


async def test_an_erased_account_is_forgotten_and_the_chain_is_whole(truth: Truth) -> None:
    gone, stays = uuid4(), uuid4()
    await record(truth, Act.LOGGED_IN, gone, method="password")
    await record(truth, Act.LOGGED_IN, stays, method="password")
    async with truth.database.begin() as work:
        await work.audit.record(Act.ACCOUNT_ERASED, gone, device=DEVICE, detail={"a": "b"})
        await work.audit.erase(gone)
    logged_in, other, erased = await everything(truth)
    assert (logged_in.entry.account_id, logged_in.details) == (gone, None)
    assert other.details
    assert other.details.client_address == "203.0.113.7"
    assert erased.entry.act is Act.ACCOUNT_ERASED
    assert erased.details is None or erased.details.client_address == ""
    assert (await VerifyAuditTrail(truth.reads)()).broken_at is None
