"""What a `Database` promises, real or fake."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.accounts import AccountStatus
from domain.briefs import Character, Genre, StoryBrief
from domain.sessions import SessionEnd
from domain.stories import PlannedChapter, StoryPlan, StoryStatus
from tests.contracts.conftest import LEASE, Truth
from tests.factories import a_chapter, a_delivery, a_refresh_token, a_session, a_story, an_account
from tests.fakes.clock import START
from tests.jobs import KNOWN, claim_of
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.transactions import LeaseLost, Taken
from usecases.stories.write_story import WriteStoryTask
from usecases.tracing import request_id


class Interrupted(Exception):  # noqa: N818 - what goes wrong in these tests
    """The use case fails."""


async def test_what_is_added_is_there_after_the_commit(truth: Truth) -> None:
    account = an_account()
    brief = StoryBrief(
        idea="A fox who learns to sail",
        genre=Genre.FANTASY,
        characters=(Character(name="Mira", traits=("curious", "brave")),),
    )
    story = a_story(account.id, brief=brief, seed=2**63 - 1, idempotency_key="key")
    session = a_session(account.id)
    token = a_refresh_token(session.id, sealed_successor=b"\x00\xff")
    delivery = a_delivery(account.id)
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        await work.stories.add(story)
        await work.sessions.add(session)
        await work.sessions.add_token(token)
        await work.deliveries.add(delivery)

    async with truth.database.begin() as work:
        found = [
            await work.accounts.get(account.id),
            await work.stories.get(story.id),
            await work.sessions.get(session.id),
            await work.sessions.token(token.id),
            await work.deliveries.get(delivery.id),
        ]
    assert [entity and entity.model_dump() for entity in found] == [
        entity.model_dump() for entity in (account, story, session, token, delivery)
    ]


async def test_an_exception_undoes_everything(truth: Truth) -> None:
    account = an_account()
    with pytest.raises(Interrupted):
        async with truth.database.begin() as work:
            await work.accounts.add(account)
            await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()))
            raise Interrupted

    async with truth.database.begin() as work:
        assert await work.accounts.get(account.id) is None
    assert truth.queue.woken == []


async def test_what_is_changed_on_a_loaded_entity_is_saved(truth: Truth) -> None:
    story_id = await _stored_story(truth)
    plan = StoryPlan(
        title="The Fox at Sea", chapters=(PlannedChapter(title="Out", summary="She leaves."),)
    )
    async with truth.database.begin() as work:
        story = await work.stories.lock(story_id)
        assert story is not None
        story.begin(START, "offline", None)
        story.adopt(plan)

    async with truth.database.begin() as work:
        found = await work.stories.get(story_id)
    assert found is not None
    assert (found.status, found.attempt, found.plan) == (StoryStatus.WRITING, 1, plan)


async def test_what_is_changed_after_the_commit_is_lost(truth: Truth) -> None:
    story_id = await _stored_story(truth)
    async with truth.database.begin() as work:
        story = await work.stories.get(story_id)
    assert story is not None
    story.title = "Too late"

    async with truth.database.begin() as work:
        found = await work.stories.get(story_id)
    assert found is not None
    assert found.title is None


async def test_add_returns_the_entity_to_work_on(truth: Truth) -> None:
    account = an_account()
    async with truth.database.begin() as work:
        added = await work.accounts.add(account)
        added.display_name = "Saved"
        account.display_name = "Lost"

    async with truth.database.begin() as work:
        found = await work.accounts.get(account.id)
    assert found is not None
    assert found.display_name == "Saved"


async def test_one_transaction_sees_one_object_for_one_row(truth: Truth) -> None:
    story_id = await _stored_story(truth)
    async with truth.database.begin() as work:
        assert await work.stories.get(story_id) is await work.stories.lock(story_id)


async def test_what_is_not_there_is_none(truth: Truth) -> None:
    async with truth.database.begin() as work:
        assert await work.accounts.get(uuid4()) is None
        assert await work.accounts.active_with_email("nobody@example.org") is None
        assert await work.accounts.latest_pending_with_email("nobody@example.org") is None
        assert await work.sessions.get(uuid4()) is None
        assert await work.sessions.lock(uuid4()) is None
        assert await work.sessions.token(uuid4()) is None
        assert await work.sessions.token_with_digest(b"none") is None
        assert await work.stories.get(uuid4()) is None
        assert await work.stories.lock(uuid4()) is None
        assert await work.stories.with_idempotency_key(uuid4(), "key") is None
        assert await work.stories.chapters(uuid4()) == []
        assert await work.deliveries.get(uuid4()) is None


# --- accounts -------------------------------------------------------------------------------------


async def test_pending_accounts_share_an_address_until_one_proves_it(truth: Truth) -> None:
    first = an_account(email="mira@example.org")
    second = an_account(email="mira@example.org", created_at=START + timedelta(minutes=1))
    other = an_account(email="noah@example.org")
    async with truth.database.begin() as work:
        for account in (first, second, other):
            await work.accounts.add(account)

    async with truth.database.begin() as work:
        await work.accounts.lock_email("mira@example.org")
        latest = await work.accounts.latest_pending_with_email("mira@example.org")
        assert latest is not None
        assert latest.id == second.id
        assert await work.accounts.active_with_email("mira@example.org") is None
        latest.activate(START)
        await work.accounts.remove_pending_with_email("mira@example.org", but=second.id)

    async with truth.database.begin() as work:
        active = await work.accounts.active_with_email("mira@example.org")
        assert active is not None
        assert active.id == second.id
        assert await work.accounts.get(first.id) is None
        assert await work.accounts.get(other.id) is not None


async def test_what_hangs_on_a_removed_account_goes_with_it(truth: Truth) -> None:
    account = an_account(email="mira@example.org")
    story, session = a_story(account.id), a_session(account.id)
    delivery = a_delivery(account.id)
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        await work.stories.add(story)
        await work.stories.add_chapter(a_chapter(story.id))
        await work.sessions.add(session)
        await work.sessions.add_token(a_refresh_token(session.id))
        await work.deliveries.add(delivery)

    async with truth.database.begin() as work:
        await work.accounts.remove_pending_with_email("mira@example.org", but=uuid4())

    async with truth.database.begin() as work:
        assert await work.accounts.get(account.id) is None
        assert await work.stories.get(story.id) is None
        assert await work.stories.chapters(story.id) == []
        assert await work.sessions.get(session.id) is None
        assert await work.deliveries.get(delivery.id) is None


async def test_an_address_has_one_active_account(truth: Truth) -> None:
    active = an_account(email="mira@example.org", status=AccountStatus.ACTIVE)
    pending = an_account(email="mira@example.org")
    async with truth.database.begin() as work:
        await work.accounts.add(active)
        await work.accounts.add(pending)

    with pytest.raises(Taken):
        async with truth.database.begin() as work:
            account = await work.accounts.get(pending.id)
            assert account is not None
            account.activate(START)

    async with truth.database.begin() as work:
        account = await work.accounts.get(pending.id)
    assert account is not None
    assert account.status is AccountStatus.PENDING


# --- sessions -------------------------------------------------------------------------------------


async def test_a_token_is_found_by_its_digest_and_a_session_ends_once(truth: Truth) -> None:
    account = an_account()
    session = a_session(account.id)
    token = a_refresh_token(session.id)
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        await work.sessions.add(session)
        await work.sessions.add_token(token)

    async with truth.database.begin() as work:
        held = await work.sessions.lock(session.id)
        found = await work.sessions.token_with_digest(token.digest)
        assert held is not None
        assert found is not None
        assert found.id == token.id
        found.used_at = START
        held.end(START, SessionEnd.LOGGED_OUT)

    async with truth.database.begin() as work:
        ended = await work.sessions.get(session.id)
        used = await work.sessions.token(token.id)
    assert ended is not None
    assert ended.end_reason is SessionEnd.LOGGED_OUT
    assert used is not None
    assert used.used_at == START


async def test_a_digest_is_there_once(truth: Truth) -> None:
    account = an_account()
    session = a_session(account.id)
    with pytest.raises(Taken):
        async with truth.database.begin() as work:
            await work.accounts.add(account)
            await work.sessions.add(session)
            await work.sessions.add_token(a_refresh_token(session.id, digest=b"same"))
            await work.sessions.add_token(a_refresh_token(session.id, digest=b"same"))


# --- stories --------------------------------------------------------------------------------------


async def test_stories_are_counted_for_the_quotas(truth: Truth) -> None:
    account, other = an_account(), an_account()
    hour = timedelta(hours=1)
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        await work.accounts.add(other)
        await work.stories.add(a_story(account.id, status=StoryStatus.WRITING))
        await work.stories.add(a_story(account.id, requested_at=START - hour))
        await work.stories.add(a_story(account.id, status=StoryStatus.FAILED))
        await work.stories.add(a_story(account.id, requested_at=START - 2 * hour))
        await work.stories.add(a_story(other.id))

    async with truth.database.begin() as work:
        assert await work.accounts.lock(uuid4()) is None
        held = await work.accounts.lock(account.id)
        assert held is not None
        assert held.id == account.id
        requests = await work.stories.requests_since(account.id, START - hour)
        assert requests == [START - hour, START]
        assert await work.stories.count_unfinished(account.id) == 3


async def test_an_idempotency_key_belongs_to_its_account(truth: Truth) -> None:
    account, other = an_account(), an_account()
    story = a_story(account.id, idempotency_key="key")
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        await work.accounts.add(other)
        await work.stories.add(story)
        await work.stories.add(a_story(other.id, idempotency_key="key"))

    async with truth.database.begin() as work:
        found = await work.stories.with_idempotency_key(account.id, "key")
    assert found is not None
    assert found.id == story.id
    with pytest.raises(Taken):
        async with truth.database.begin() as work:
            await work.stories.add(a_story(account.id, idempotency_key="key"))


async def test_chapters_come_by_number_and_each_number_once(truth: Truth) -> None:
    story_id = await _stored_story(truth)
    async with truth.database.begin() as work:
        await work.stories.add_chapter(a_chapter(story_id, 2))
        await work.stories.add_chapter(a_chapter(story_id, 1))

    async with truth.database.begin() as work:
        chapters = await work.stories.chapters(story_id)
    assert [chapter.number for chapter in chapters] == [1, 2]
    with pytest.raises(Taken):
        async with truth.database.begin() as work:
            await work.stories.add_chapter(a_chapter(story_id, 2))


async def test_an_event_owes_one_mail(truth: Truth) -> None:
    async with truth.database.begin() as work:
        await work.deliveries.add(a_delivery(None, event_key="story:1:ready"))
    with pytest.raises(Taken):
        async with truth.database.begin() as work:
            await work.deliveries.add(a_delivery(None, event_key="story:1:ready"))


# --- jobs -----------------------------------------------------------------------------------------


async def test_the_queue_is_woken_after_the_commit(truth: Truth) -> None:
    story_id = await _stored_story(truth)
    reset = request_id.set("request-1")
    async with truth.database.begin() as work:
        job = await work.jobs.add(WriteStoryTask(story_id=story_id))
        assert truth.queue.woken == []
    request_id.reset(reset)

    assert [woken.id for woken in truth.queue.woken] == [job.id]
    claimed = await claim_of(truth.desk, job)
    assert claimed is not None
    assert claimed[0].task == {"story_id": str(story_id)}
    assert claimed[0].request_id == "request-1"


async def test_a_job_for_later_wakes_nobody_yet(truth: Truth) -> None:
    async with truth.database.begin() as work:
        now = await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()))
        later = await work.jobs.add(
            SendDeliveryTask(delivery_id=uuid4()),
            run_at=now.run_at + timedelta(hours=1),
        )
    assert [woken.id for woken in truth.queue.woken] == [now.id]
    assert await claim_of(truth.desk, later) is None


async def test_a_live_job_is_not_doubled(truth: Truth) -> None:
    task = SendDeliveryTask(delivery_id=uuid4())
    async with truth.database.begin() as work:
        first = await work.jobs.add(task)
    async with truth.database.begin() as work:
        second = await work.jobs.add(task)
    assert second.id == first.id
    assert len(truth.queue.woken) == 1

    claimed = await claim_of(truth.desk, first)
    assert claimed is not None
    await truth.desk.finish(claimed[1])
    async with truth.database.begin() as work:
        third = await work.jobs.add(task)
    assert third.id != first.id


async def test_a_lease_lets_its_holder_write(truth: Truth) -> None:
    story_id = await _stored_story(truth)
    async with truth.database.begin() as work:
        job = await work.jobs.add(WriteStoryTask(story_id=story_id))
    claimed = await claim_of(truth.desk, job)
    assert claimed is not None

    async with truth.database.begin(claimed[1]) as work:
        await work.stories.add_chapter(a_chapter(story_id))

    async with truth.database.begin() as work:
        assert len(await work.stories.chapters(story_id)) == 1


async def test_a_lease_that_ran_out_writes_nothing(truth: Truth) -> None:
    story_id = await _stored_story(truth)
    async with truth.database.begin() as work:
        job = await work.jobs.add(WriteStoryTask(story_id=story_id))
    claimed = await claim_of(truth.desk, job)
    assert claimed is not None
    await truth.let_time_pass(LEASE)

    with pytest.raises(LeaseLost):
        async with truth.database.begin(claimed[1]) as work:
            await work.stories.add_chapter(a_chapter(story_id))

    async with truth.database.begin() as work:
        assert await work.stories.chapters(story_id) == []


async def test_a_lease_that_was_taken_over_writes_nothing(truth: Truth) -> None:
    story_id = await _stored_story(truth)
    async with truth.database.begin() as work:
        job = await work.jobs.add(WriteStoryTask(story_id=story_id))
    paused = await claim_of(truth.desk, job)
    await truth.let_time_pass(LEASE)
    await truth.desk.due(10, KNOWN)
    successor = await claim_of(truth.desk, job)
    assert paused is not None
    assert successor is not None

    with pytest.raises(LeaseLost):
        async with truth.database.begin(paused[1]):
            pytest.fail("the block of a lost lease must not run")
    async with truth.database.begin(successor[1]) as work:
        await work.stories.add_chapter(a_chapter(story_id))


async def test_a_canceled_job_writes_nothing_and_is_called_off(truth: Truth) -> None:
    story_id = await _stored_story(truth)
    async with truth.database.begin() as work:
        job = await work.jobs.add(WriteStoryTask(story_id=story_id))
    claimed = await claim_of(truth.desk, job)
    assert claimed is not None
    async with truth.database.begin() as work:
        await work.jobs.cancel(WriteStoryTask, str(story_id))
        assert truth.queue.called_off == []

    assert truth.queue.called_off == [job.id]
    with pytest.raises(LeaseLost):
        async with truth.database.begin(claimed[1]):
            pytest.fail("the block of a cancelled job must not run")
    with pytest.raises(LeaseLost):
        await truth.desk.renew(claimed[1])
    await truth.let_time_pass(LEASE)
    assert await truth.desk.due(10, KNOWN) == []
    assert await claim_of(truth.desk, job) is None


async def _stored_story(truth: Truth) -> UUID:
    account = an_account()
    story = a_story(account.id)
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        await work.stories.add(story)
    return story.id
