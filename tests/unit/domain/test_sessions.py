"""Sessions: when they are live, and how they end."""

from datetime import timedelta
from uuid import uuid4

from domain.sessions import Device, SessionEnd, TokenPair
from tests.factories import a_refresh_token, a_session
from tests.fakes.clock import START

MINUTE = timedelta(minutes=1)


def test_a_session_is_live_until_its_absolute_end() -> None:
    session = a_session(uuid4())
    assert session.is_live(session.expires_at - timedelta(microseconds=1))
    assert not session.is_live(session.expires_at)


def test_an_ended_session_is_not_live_and_keeps_its_first_end() -> None:
    session = a_session(uuid4())
    session.end(START + MINUTE, SessionEnd.LOGGED_OUT)
    session.end(START + 2 * MINUTE, SessionEnd.REFRESH_REUSED)
    assert not session.is_live(START + MINUTE)
    assert (session.ended_at, session.end_reason) == (START + MINUTE, SessionEnd.LOGGED_OUT)


def test_what_a_device_says_is_cut_to_what_is_stored() -> None:
    device = Device(client_address="2" * 100, user_agent="a\x00b\u202ec" + "x" * 300)
    assert (len(device.client_address), device.user_agent) == (64, "abc" + "x" * 253)


def test_secrets_are_not_shown() -> None:
    pair = TokenPair(
        access_token="secret-access",
        access_expires_at=START,
        refresh_token="secret-refresh",
        refresh_expires_at=START,
    )
    assert "secret" not in repr(pair)
    assert "digest" not in repr(a_refresh_token(uuid4()))
