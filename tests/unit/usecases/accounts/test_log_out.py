"""Ending a session."""

from uuid import uuid4

import pytest

from domain.refusals import RefreshRejected, Unauthenticated, UpstreamUnavailable
from domain.sessions import AccessClaims, SessionEnd
from tests.fakes.accounts import AccountDesk


async def begun(desk: AccountDesk) -> tuple[AccessClaims, str, str]:
    """Begin a session; return the claims, the access token and the refresh token."""
    tokens = (await desk.logged_in()).tokens
    claims = await desk.authenticate(tokens.access_token)
    return claims, tokens.access_token, tokens.refresh_token


async def test_no_token_of_the_session_works_any_more(desk: AccountDesk) -> None:
    claims, access_token, refresh_token = await begun(desk)
    assert await desk.log_out(claims, None) is True
    assert (desk.session.ended_at, desk.session.end_reason) == (
        desk.clock.now(),
        SessionEnd.LOGGED_OUT,
    )
    assert desk.session_ends.announced == [claims.session_id]
    with pytest.raises(RefreshRejected):
        await desk.refresh_tokens(refresh_token)
    with pytest.raises(Unauthenticated):
        await desk.authenticate(access_token)


async def test_a_refresh_token_names_the_session_too(desk: AccountDesk) -> None:
    _, _, refresh_token = await begun(desk)
    assert await desk.log_out(None, refresh_token) is True
    assert desk.session.end_reason is SessionEnd.LOGGED_OUT


async def test_logging_out_twice_does_no_harm(desk: AccountDesk) -> None:
    claims, _, refresh_token = await begun(desk)
    await desk.log_out(claims, None)
    ended = desk.session
    assert await desk.log_out(claims, None) is False
    assert await desk.log_out(None, refresh_token) is False
    assert desk.session == ended


async def test_an_unknown_refresh_token_ends_nothing(desk: AccountDesk) -> None:
    await begun(desk)
    assert await desk.log_out(None, "slr_unknown") is False
    assert desk.session.ended_at is None


async def test_a_session_that_is_gone_ends_nothing(desk: AccountDesk) -> None:
    claims = AccessClaims(account_id=uuid4(), session_id=uuid4(), expires_at=desk.clock.now())
    assert await desk.log_out(claims, None) is False


async def test_without_a_token_it_is_refused(desk: AccountDesk) -> None:
    with pytest.raises(Unauthenticated):
        await desk.log_out(None, None)


async def test_when_the_end_cannot_be_announced_the_caller_is_told_to_repeat(
    desk: AccountDesk,
) -> None:
    claims, access_token, refresh_token = await begun(desk)
    desk.session_ends.is_down = True
    with pytest.raises(UpstreamUnavailable):
        await desk.log_out(claims, None)
    with pytest.raises(RefreshRejected):
        await desk.refresh_tokens(refresh_token)
    with pytest.raises(Unauthenticated):
        await desk.authenticate(access_token)
    desk.session_ends.is_down = False
    assert await desk.log_out(claims, None) is False
    assert desk.session_ends.announced == [claims.session_id]
