"""Carrying a session on."""

import asyncio
from datetime import timedelta

import pytest

from domain.deliveries import DeliveryKind
from domain.refusals import RefreshRaced, RefreshRejected, RefreshReused, Unauthenticated
from domain.sessions import SessionEnd
from tests.fakes.accounts import EMAIL, AccountDesk


async def begun(desk: AccountDesk) -> str:
    """Begin a session and return its first refresh token."""
    return (await desk.logged_in()).tokens.refresh_token


async def test_a_refresh_token_buys_the_next_pair(desk: AccountDesk) -> None:
    first = await begun(desk)
    desk.clock.advance(timedelta(minutes=14))
    second = await desk.refresh_tokens(first)
    assert second.refresh_token != first
    assert second.access_expires_at == desk.clock.now() + timedelta(minutes=15)
    assert second.refresh_expires_at == desk.clock.now() + timedelta(days=30)
    assert desk.session.last_used_at == desk.clock.now()
    claims = await desk.authenticate(second.access_token)
    assert claims.session_id == desk.session.id
    assert (await desk.refresh_tokens(second.refresh_token)).refresh_token != second.refresh_token


async def test_a_lost_answer_is_given_again_for_ten_seconds(desk: AccountDesk) -> None:
    first = await begun(desk)
    second = await desk.refresh_tokens(first)
    desk.clock.advance(timedelta(seconds=10))
    again = await desk.refresh_tokens(first)
    assert again.refresh_token == second.refresh_token
    assert again.refresh_expires_at == second.refresh_expires_at
    assert desk.session.ended_at is None
    await desk.refresh_tokens(second.refresh_token)


async def test_many_who_ask_at_once_get_the_same_successor(desk: AccountDesk) -> None:
    first = await begun(desk)
    answers = await asyncio.gather(*(desk.refresh_tokens(first) for _ in range(20)))
    assert len({answer.refresh_token for answer in answers}) == 1
    assert len(desk.database.tables.tokens) == 2


async def expect_reuse(desk: AccountDesk, token: str) -> None:
    """See that the second use of a token ends its session, for good, and is told."""
    with pytest.raises(RefreshReused):
        await desk.refresh_tokens(token)
    session = desk.session
    assert (session.ended_at, session.end_reason) == (
        desk.clock.now(),
        SessionEnd.REFRESH_REUSED,
    )
    assert desk.session_ends.announced == [session.id]
    assert desk.owed == [(DeliveryKind.SESSION_REVOKED, EMAIL)]


async def test_a_second_use_after_that_ends_the_session(desk: AccountDesk) -> None:
    first = await begun(desk)
    second = await desk.refresh_tokens(first)
    desk.clock.advance(timedelta(seconds=10, microseconds=1))
    await expect_reuse(desk, first)
    with pytest.raises(RefreshRejected):
        await desk.refresh_tokens(second.refresh_token)
    with pytest.raises(Unauthenticated):
        await desk.authenticate(second.access_token)


async def test_a_second_use_after_the_successor_was_used_ends_the_session(
    desk: AccountDesk,
) -> None:
    first = await begun(desk)
    second = await desk.refresh_tokens(first)
    third = await desk.refresh_tokens(second.refresh_token)
    await expect_reuse(desk, first)
    with pytest.raises(RefreshRejected):
        await desk.refresh_tokens(third.refresh_token)


async def test_an_ended_session_is_told_once(desk: AccountDesk) -> None:
    first = await begun(desk)
    await desk.refresh_tokens(first)
    desk.clock.advance(timedelta(minutes=1))
    await expect_reuse(desk, first)
    with pytest.raises(RefreshRejected):
        await desk.refresh_tokens(first)
    assert len(desk.deliveries) == 1


async def test_a_reuse_is_a_reuse_also_when_it_cannot_be_announced(desk: AccountDesk) -> None:
    first = await begun(desk)
    await desk.refresh_tokens(first)
    desk.clock.advance(timedelta(minutes=1))
    desk.session_ends.is_down = True
    with pytest.raises(RefreshReused):
        await desk.refresh_tokens(first)
    assert desk.session.end_reason is SessionEnd.REFRESH_REUSED


async def test_without_the_sealed_successor_the_other_request_has_the_answer(
    desk: AccountDesk,
) -> None:
    first = await begun(desk)
    second = await desk.refresh_tokens(first)
    async with desk.database.begin() as work:
        link = await work.sessions.token_with_digest(desk.refresh.digest(first))
        assert link is not None
        link.sealed_successor = None
    with pytest.raises(RefreshRaced):
        await desk.refresh_tokens(first)
    assert desk.session.ended_at is None
    await desk.refresh_tokens(second.refresh_token)


@pytest.mark.parametrize("token", ["", "slr_unknown", "\ud800", "x" * 100_000])
async def test_an_unknown_token_is_rejected(desk: AccountDesk, token: str) -> None:
    with pytest.raises(RefreshRejected):
        await desk.refresh_tokens(token)


async def test_a_session_that_is_not_used_ends_after_thirty_days(desk: AccountDesk) -> None:
    first = await begun(desk)
    desk.clock.advance(timedelta(days=30) - timedelta(seconds=1))
    second = await desk.refresh_tokens(first)
    desk.clock.advance(timedelta(days=30))
    with pytest.raises(RefreshRejected):
        await desk.refresh_tokens(second.refresh_token)


async def test_a_session_ends_after_ninety_days_however_much_it_is_used(desk: AccountDesk) -> None:
    begin, token = desk.clock.now(), await begun(desk)
    end = begin + timedelta(days=90)
    for _ in range(4):
        desk.clock.advance(timedelta(days=20))
        token = (await desk.refresh_tokens(token)).refresh_token
    desk.clock.advance(timedelta(days=10) - timedelta(seconds=5))
    last = await desk.refresh_tokens(token)
    assert (last.access_expires_at, last.refresh_expires_at) == (end, end)
    desk.clock.advance(timedelta(seconds=5))
    with pytest.raises(RefreshRejected):
        await desk.refresh_tokens(last.refresh_token)
