"""What is owed for which event, and that it is owed once."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.codes import Challenge, CodePurpose
from domain.deliveries import Delivery, DeliveryKind, DeliveryStatus
from domain.jobs import JobState, Priority
from domain.refusals import RateLimited
from tests.factories import a_session, a_story, an_account
from tests.fakes.clock import START, FakeClock
from tests.fakes.database import FakeDatabase, NoSuchParent
from usecases.deliveries.owe import CODES_A_DAY, NOTICES_A_DAY, OweMail
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.transactions import Taken

NOTICES = (DeliveryKind.PASSWORD_CHANGED, DeliveryKind.PHONE_REMOVED)
ACCOUNT = an_account(email="mira@readers.test")
STORY = a_story(ACCOUNT.id)
SESSION = a_session(ACCOUNT.id)
CHALLENGE = Challenge(
    id=UUID("01960000-0000-7000-8000-000000000001"),
    purpose=CodePurpose.SIGN_UP,
    email="mira@readers.test",
    account_id=ACCOUNT.id,
    resend_at=START + timedelta(minutes=1),
    expires_at=START + timedelta(minutes=10),
)


@pytest.fixture
def owe() -> OweMail:
    return OweMail(clock=FakeClock(), sender_domain="storyloom.test")


@pytest.fixture
async def database() -> FakeDatabase:
    database = FakeDatabase()
    async with database.begin() as work:
        await work.accounts.add(ACCOUNT)
        await work.stories.add(STORY)
        await work.sessions.add(SESSION)
    return database


def only_delivery(database: FakeDatabase) -> Delivery:
    [delivery] = database.tables.deliveries.values()
    return delivery


async def test_a_story_is_owed_for_a_day_with_a_message_id_of_the_sender(
    owe: OweMail, database: FakeDatabase
) -> None:
    async with database.begin() as work:
        await owe.story_ready(work, STORY, ACCOUNT)

    delivery = only_delivery(database)
    assert delivery == Delivery(
        id=delivery.id,
        kind=DeliveryKind.STORY_READY,
        event_key=f"story:{STORY.id}:ready",
        account_id=ACCOUNT.id,
        recipient="mira@readers.test",
        subject_id=STORY.id,
        message_id=f"<{delivery.id}@storyloom.test>",
        status=DeliveryStatus.QUEUED,
        created_at=START,
        expires_at=START + timedelta(days=1),
    )


async def test_its_job_is_added_with_it(owe: OweMail, database: FakeDatabase) -> None:
    async with database.begin() as work:
        await owe.story_ready(work, STORY, ACCOUNT)

    delivery = only_delivery(database)
    [job] = database.tables.jobs.values()
    assert SendDeliveryTask.model_validate(job.task).delivery_id == delivery.id
    assert (job.dedupe_key, job.priority) == (str(delivery.id), Priority.NORMAL)
    assert job.account_id == ACCOUNT.id


async def test_nothing_is_owed_when_the_transaction_fails(
    owe: OweMail, database: FakeDatabase
) -> None:
    missing = an_account()
    with pytest.raises(NoSuchParent):
        async with database.begin() as work:
            await owe.story_ready(work, STORY, ACCOUNT)
            await work.stories.add(a_story(missing.id))

    assert database.tables.deliveries == {}
    assert database.tables.jobs == {}


async def test_a_story_is_never_owed_twice(owe: OweMail, database: FakeDatabase) -> None:
    async with database.begin() as work:
        await owe.story_ready(work, STORY, ACCOUNT)
    with pytest.raises(Taken):
        async with database.begin() as work:
            await owe.story_ready(work, STORY, ACCOUNT)

    assert len(database.tables.deliveries) == 1


async def test_a_code_is_owed_until_its_challenge_expires(
    owe: OweMail, database: FakeDatabase
) -> None:
    async with database.begin() as work:
        await owe.code(work, CHALLENGE, ACCOUNT)

    delivery = only_delivery(database)
    assert delivery.kind is DeliveryKind.SIGN_UP_CODE
    assert delivery.subject_id == CHALLENGE.id
    assert delivery.recipient == CHALLENGE.email
    assert delivery.expires_at == CHALLENGE.expires_at
    [job] = database.tables.jobs.values()
    assert job.priority is Priority.URGENT


async def test_another_code_takes_the_place_of_one_that_is_still_owed(
    owe: OweMail, database: FakeDatabase
) -> None:
    reopened = CHALLENGE.model_copy(update={"resend_at": START + timedelta(minutes=2)})
    for challenge in (CHALLENGE, reopened):
        async with database.begin() as work:
            await owe.code(work, challenge, ACCOUNT)

    newest = max(database.tables.deliveries)
    states = {job.task["delivery_id"]: job.state for job in database.tables.jobs.values()}
    assert len(states) == 2
    assert states.pop(str(newest)) is JobState.QUEUED
    assert list(states.values()) == [JobState.CANCELED]


async def test_notices_are_owed_once_for_a_session_and_for_each_sign_up(
    owe: OweMail, database: FakeDatabase
) -> None:
    for _ in range(2):
        async with database.begin() as work:
            await owe.address_in_use(work, ACCOUNT)
    async with database.begin() as work:
        await owe.session_revoked(work, ACCOUNT, SESSION)
    with pytest.raises(Taken):
        async with database.begin() as work:
            await owe.session_revoked(work, ACCOUNT, SESSION)

    kinds = [delivery.kind for delivery in database.tables.deliveries.values()]
    assert kinds == [
        DeliveryKind.ADDRESS_IN_USE,
        DeliveryKind.ADDRESS_IN_USE,
        DeliveryKind.SESSION_REVOKED,
    ]


@settings(max_examples=30)
@given(
    gaps=st.lists(st.integers(0, 2 * 3600), min_size=30, max_size=60),
    kinds=st.lists(st.sampled_from(NOTICES), min_size=60, max_size=60),
)
async def test_however_they_come_twenty_notices_of_a_kind_are_mailed_in_any_day(
    gaps: list[int], kinds: list[DeliveryKind]
) -> None:
    clock = FakeClock()
    database = FakeDatabase(clock)
    owe = OweMail(clock=clock, sender_domain="storyloom.test")
    async with database.begin() as work:
        await work.accounts.add(ACCOUNT)
        for gap, kind in zip(gaps, kinds, strict=False):
            day = clock.advance(timedelta(seconds=gap)) - timedelta(days=1)
            before = await work.deliveries.owed_since(ACCOUNT.id, {kind}, day)
            await owe.notice(work, kind, ACCOUNT)
            after = await work.deliveries.owed_since(ACCOUNT.id, {kind}, day)
            assert len(after) == min(len(before) + 1, NOTICES_A_DAY)


@pytest.mark.parametrize("purpose", [CodePurpose.EMAIL_CHANGE, CodePurpose.PHONE])
async def test_an_account_has_ten_codes_a_day_sent_to_others(
    owe: OweMail, database: FakeDatabase, purpose: CodePurpose
) -> None:
    def challenge(number: int) -> Challenge:
        return CHALLENGE.model_copy(
            update={"id": uuid4(), "purpose": purpose, "email": f"{number}"}
        )

    async with database.begin() as work:
        for number in range(CODES_A_DAY):
            await owe.code(work, challenge(number), ACCOUNT)
    with pytest.raises(RateLimited) as refused:
        async with database.begin() as work:
            await owe.code(work, challenge(CODES_A_DAY), ACCOUNT)
    assert refused.value.retry_after == 24 * 3600 + 1
    assert len(database.tables.deliveries) == CODES_A_DAY
    async with database.begin() as work:
        await owe.code(work, CHALLENGE, ACCOUNT)  # one's own address has its own limits
