"""Taking one's data, leaving, and staying after all."""

import json
from datetime import timedelta

import pytest

from domain.accounts import AccountStatus
from domain.deliveries import DeliveryKind, DeliveryStatus
from domain.jobs import JobState, Queue
from domain.refusals import (
    RateLimited,
    Unauthenticated,
    UpstreamUnavailable,
    WrongCredentials,
)
from domain.sessions import AccessClaims, SessionEnd
from tests.factories import a_chapter, a_story
from tests.fakes.accounts import DEVICE, EMAIL, PASSWORD, AccountDesk
from tests.fakes.clock import START
from tests.fakes.database import FakeJobDesk
from tests.jobs import claimed
from usecases.stories.write_story import WriteStoryTask

GRACE = timedelta(days=14)


@pytest.fixture
async def claims(desk: AccountDesk) -> AccessClaims:
    logged_in = await desk.logged_in()
    return await desk.authenticate(logged_in.tokens.access_token)


async def ask(desk: AccountDesk, claims: AccessClaims) -> None:
    await desk.request_account_deletion(claims, password=PASSWORD, device=DEVICE)


async def settle_mails(desk: AccountDesk) -> None:
    """Send what is owed."""
    async with desk.database.begin() as work:
        for mail in desk.deliveries:
            if delivery := await work.deliveries.get(mail.id):
                delivery.sent(desk.clock.now())


async def test_asking_begins_the_grace_ends_other_sessions_and_tells_the_owner(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    other = await desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    account, ended = await desk.request_account_deletion(claims, password=PASSWORD, device=DEVICE)
    assert (account.deletion_requested_at, account.deletion_due_at) == (START, START + GRACE)
    assert ended == 1
    assert desk.session_ends.announced == [other.session.id]
    sessions = desk.database.tables.sessions
    assert sessions[other.session.id].end_reason is SessionEnd.ACCOUNT_DELETION
    assert sessions[claims.session_id].ended_at is None
    assert desk.owed[-1] == (DeliveryKind.DELETION_REQUESTED, EMAIL)


async def test_asking_again_changes_nothing(desk: AccountDesk, claims: AccessClaims) -> None:
    await ask(desk, claims)
    desk.clock.advance(timedelta(days=3))
    await ask(desk, claims)
    [account] = desk.accounts
    assert account.deletion_due_at == START + GRACE
    assert [kind for kind, _ in desk.owed].count(DeliveryKind.DELETION_REQUESTED) == 1


async def test_a_wrong_password_deletes_and_exports_nothing(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    with pytest.raises(WrongCredentials):
        await desk.request_account_deletion(claims, password="no", device=DEVICE)
    with pytest.raises(WrongCredentials):
        await desk.export_account_data(claims, password="no", device=DEVICE)
    [account] = desk.accounts
    assert not account.is_leaving


async def test_within_the_grace_its_owner_can_log_in_and_keep_it(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    await ask(desk, claims)
    desk.clock.advance(GRACE - timedelta(seconds=1))
    assert await desk.erase_accounts() == 0
    logged_in = await desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    again = await desk.authenticate(logged_in.tokens.access_token)
    for _ in range(2):
        assert not (await desk.cancel_account_deletion(again, device=DEVICE)).is_leaving
    desk.clock.advance(timedelta(days=30))
    for _ in range(3):
        assert await desk.erase_accounts() == 0
    assert [account.status for account in desk.accounts] == [AccountStatus.ACTIVE]
    acts = [record.entry.act.value for record in desk.database.audited]
    assert acts.count("deletion_canceled") == 1


async def test_after_the_grace_it_is_closed_told_and_then_erased(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    await ask(desk, claims)
    story = a_story(claims.account_id)
    async with desk.database.begin() as work:
        await work.stories.add(story)
        await work.stories.add_chapter(a_chapter(story.id))
        job = await work.jobs.add(WriteStoryTask(story_id=story.id), account_id=claims.account_id)
    await claimed(FakeJobDesk(desk.database), Queue.STORIES)
    desk.clock.advance(GRACE)
    assert await desk.erase_accounts() == 0
    assert desk.database.tables.jobs[job.id].state is JobState.CANCELED
    assert desk.session.end_reason is SessionEnd.ACCOUNT_DELETION
    assert claims.session_id in desk.session_ends.announced
    assert desk.owed[-1] == (DeliveryKind.ACCOUNT_CLOSED, EMAIL)
    with pytest.raises(WrongCredentials):
        await desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    with pytest.raises(Unauthenticated):
        await desk.cancel_account_deletion(claims, device=DEVICE)

    assert await desk.erase_accounts() == 0  # its last mail is still owed
    await settle_mails(desk)
    assert await desk.erase_accounts() == 1
    tables = desk.database.tables
    for name in ("accounts", "sessions", "tokens", "devices", "stories", "chapters"):
        assert getattr(tables, name) == {}, name
    assert tables.deliveries == {}
    assert tables.jobs == {}
    assert desk.traces.erased == [(claims.account_id, [EMAIL])] * 2
    assert [record.entry.act.value for record in desk.database.audited][-1] == "account_erased"
    theirs = [r for r in desk.database.audited if r.entry.account_id == claims.account_id]
    assert all(record.details is None for record in theirs)
    assert await desk.erase_accounts() == 0


async def test_a_last_mail_that_nobody_takes_holds_the_erasure_up_for_a_day_at_most(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    await ask(desk, claims)
    desk.clock.advance(GRACE)
    await desk.erase_accounts()
    assert desk.deliveries[-1].status is DeliveryStatus.QUEUED
    desk.clock.advance(timedelta(hours=24))
    assert await desk.erase_accounts() == 1


async def test_while_traces_cannot_be_erased_the_account_is_kept_for_the_next_turn(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    await ask(desk, claims)
    desk.clock.advance(GRACE)
    await desk.erase_accounts()
    await settle_mails(desk)
    desk.traces.is_down = True
    with pytest.raises(UpstreamUnavailable):
        await desk.erase_accounts()
    assert len(desk.accounts) == 1
    desk.traces.is_down = False
    assert await desk.erase_accounts() == 1


async def test_an_address_is_free_again_once_its_account_is_closed(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    await ask(desk, claims)
    desk.clock.advance(GRACE)
    await desk.erase_accounts()
    await settle_mails(desk)
    newcomer = await desk.account()
    assert await desk.erase_accounts() == 1
    assert [account.id for account in desk.accounts] == [newcomer.id]


async def test_an_export_tells_everything_but_secrets(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    story = a_story(claims.account_id, title="The Fox")
    async with desk.database.begin() as work:
        await work.stories.add(story)
        await work.stories.add_chapter(a_chapter(story.id, text="Once there was a fox."))
    export = await desk.export_account_data(claims, password=PASSWORD, device=DEVICE)
    assert export.file_name == "storyloom-account-2026-03-14.json"
    assert export.media_type == "application/json"
    told = json.loads(export.document)
    assert (told["format"], told["version"]) == ("storyloom.account", 1)
    assert told["exportedAt"] == "2026-03-14T15:09:26.000Z"
    assert told["account"]["email"] == EMAIL
    assert told["account"]["displayName"] == "Mira"
    assert told["stories"][0]["title"] == "The Fox"
    assert told["stories"][0]["chapters"][0]["text"] == "Once there was a fox."
    assert told["sessions"][0]["refreshTokens"][0]["expiresAt"] == "2026-04-13T15:09:26.000Z"
    assert told["devices"][0]["network"] == "203.0.113.0/24"
    assert told["auditLog"][0]["details"]["clientAddress"] == DEVICE.client_address
    for secret in (desk.accounts[0].password_hash, PASSWORD, "digest", "passwordHash"):
        assert secret not in export.document


async def test_an_export_is_recorded_and_there_are_three_a_day(
    desk: AccountDesk, claims: AccessClaims
) -> None:
    for _ in range(3):
        await desk.export_account_data(claims, password=PASSWORD, device=DEVICE)
        desk.clock.advance(timedelta(hours=1))
    with pytest.raises(RateLimited) as refused:
        await desk.export_account_data(claims, password=PASSWORD, device=DEVICE)
    assert refused.value.retry_after == 21 * 3600
    acts = [record.entry.act.value for record in desk.database.audited]
    assert acts.count("data_exported") == 3
    desk.clock.advance(timedelta(hours=21))
    assert await desk.export_account_data(claims, password=PASSWORD, device=DEVICE)
