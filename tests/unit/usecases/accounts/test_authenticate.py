"""Telling whose access token this is."""

from datetime import timedelta

import pytest

from domain.refusals import TokenExpired, Unauthenticated
from domain.sessions import SessionEnd
from tests.fakes.accounts import AccountDesk


async def test_a_good_token_tells_its_bearer(desk: AccountDesk) -> None:
    answer = await desk.logged_in()
    claims = await desk.authenticate(answer.tokens.access_token)
    assert (claims.account_id, claims.session_id) == (answer.account.id, desk.session.id)


async def test_an_expired_token_says_so(desk: AccountDesk) -> None:
    answer = await desk.logged_in()
    desk.clock.advance(timedelta(minutes=16))
    with pytest.raises(TokenExpired):
        await desk.authenticate(answer.tokens.access_token)


async def test_rubbish_is_refused(desk: AccountDesk) -> None:
    with pytest.raises(Unauthenticated):
        await desk.authenticate("rubbish")


async def test_the_database_is_asked_where_nobody_else_can_tell(desk: AccountDesk) -> None:
    answer = await desk.logged_in()
    desk.session_ends.is_down = True
    claims = await desk.authenticate(answer.tokens.access_token)
    assert claims.session_id == desk.session.id
    async with desk.database.begin() as work:
        session = await work.sessions.lock(claims.session_id)
        assert session is not None
        session.end(desk.clock.now(), SessionEnd.LOGGED_OUT)
    with pytest.raises(Unauthenticated):
        await desk.authenticate(answer.tokens.access_token)
