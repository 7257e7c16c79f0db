"""Codes of authenticator apps: RFC 6238, its window, and how the secret is kept."""

from base64 import b32encode
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyotp import TOTP

from adapters.totp import PyotpTotpCodes
from domain.second_factors import TotpFactor
from tests.factories import an_account
from tests.fakes.clock import START, FakeClock
from usecases.ports.factors import SecretUnreadable

ACCOUNT = an_account(email="mira@readers.example")
RFC_SECRET = b"12345678901234567890"
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


def at(now: datetime = START, key: bytes = bytes(32)) -> PyotpTotpCodes:
    return PyotpTotpCodes(key=key, clock=FakeClock(now))


def enrolled(codes: PyotpTotpCodes) -> tuple[TotpFactor, TOTP]:
    """Return a factor, and the app that holds its secret."""
    drawn = codes.draw(ACCOUNT)
    factor = TotpFactor(account_id=ACCOUNT.id, sealed_secret=drawn.sealed, created_at=START)
    return factor, TOTP(drawn.secret)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_codes_are_those_of_the_specification(seconds: int, code: str) -> None:
    """RFC 6238, appendix B, shows eight digits: six are the last six of them."""
    clock = FakeClock(datetime.fromtimestamp(seconds, UTC))
    codes = PyotpTotpCodes(key=bytes(32), clock=clock, draw=lambda length: RFC_SECRET[:length])
    factor, app = enrolled(codes)
    assert app.secret == b32encode(RFC_SECRET).decode()
    assert codes.step(factor, code[-6:]) == seconds // 30


@given(now=MOMENTS, off=st.integers(-1, 1))
def test_codes_around_now_are_right_for_their_step(now: datetime, off: int) -> None:
    codes = at(now)
    factor, app = enrolled(codes)
    code = app.at(now, counter_offset=off)
    newest = max(near for near in (-1, 0, 1) if app.at(now, counter_offset=near) == code)
    assert codes.step(factor, code) == app.timecode(now) + newest


@given(now=MOMENTS, off=st.integers(-1000, 1000).filter(lambda off: abs(off) > 1))
def test_a_code_outside_the_window_is_wrong(now: datetime, off: int) -> None:
    codes = at(now)
    factor, app = enrolled(codes)
    code = app.at(now, counter_offset=off)
    assume(code not in {app.at(now, counter_offset=near) for near in (-1, 0, 1)})
    assert codes.step(factor, code) is None


@given(now=MOMENTS, guess=st.integers(0, 999_999).map("{:06d}".format))
def test_any_other_six_digits_are_wrong(now: datetime, guess: str) -> None:
    codes = at(now)
    factor, app = enrolled(codes)
    right = {app.at(now, counter_offset=near) for near in (-1, 0, 1)}
    assert (codes.step(factor, guess) is not None) == (guess in right)


@given(steps=st.lists(st.integers(1, 50), min_size=1))
def test_a_step_is_used_up_once_and_takes_all_before_it_along(steps: list[int]) -> None:
    factor, _ = enrolled(at())
    accepted = [step for step in steps if factor.accept(step)]
    assert accepted == sorted(set(accepted))
    assert factor.last_step == max(steps)
    assert not factor.accept(None)


def test_an_app_reads_the_secret_from_the_uri() -> None:
    drawn = at().draw(ACCOUNT)
    uri = urlsplit(drawn.uri)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/Storyloom:mira@readers.example"
    assert parse_qs(uri.query) == {"secret": [drawn.secret], "issuer": ["Storyloom"]}
    assert len(drawn.secret) == 32


def test_secrets_differ_and_are_not_stored_in_clear() -> None:
    codes = at()
    drawn = [codes.draw(ACCOUNT) for _ in range(100)]
    assert len({one.secret for one in drawn}) == 100
    for one in drawn:
        assert one.secret.encode() not in one.sealed
        assert one.secret not in repr(one)


def test_a_secret_opens_under_its_own_key_and_account_only() -> None:
    codes = at()
    factor, app = enrolled(codes)
    code = app.at(START)
    with pytest.raises(SecretUnreadable):
        at(key=bytes([1] * 32)).step(factor, code)
    with pytest.raises(SecretUnreadable):
        codes.step(factor.model_copy(update={"account_id": an_account().id}), code)


@given(
    keys=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=5, unique=True),
    data=st.data(),
)
def test_a_secret_opens_under_any_key_that_is_kept_and_is_renewed_under_the_newest(
    keys: list[bytes], data: st.DataObject
) -> None:
    """`keys` are all that FACTOR_KEY ever was, newest first."""
    sealed_under = data.draw(st.sampled_from(keys))
    factor, app = enrolled(at(key=sealed_under))
    kept = data.draw(st.integers(1, len(keys)))
    today = PyotpTotpCodes(key=keys[0], previous=keys[1:kept], clock=FakeClock())
    if sealed_under not in keys[:kept]:
        for use in (lambda: today.step(factor, app.at(START)), lambda: today.renewed(factor)):
            with pytest.raises(SecretUnreadable):
                use()
        return
    assert today.step(factor, app.at(START)) is not None
    renewed = today.renewed(factor)
    assert (renewed == factor.sealed_secret) == (sealed_under == keys[0])
    factor.sealed_secret = renewed
    assert at(key=keys[0]).step(factor, app.at(START)) is not None


def test_an_enrolment_waits_a_quarter_of_an_hour() -> None:
    factor, _ = enrolled(at())
    assert factor.awaits_first_code(START + timedelta(minutes=14, seconds=59))
    assert not factor.awaits_first_code(START + timedelta(minutes=15))
    factor.confirmed_at = START
    assert not factor.awaits_first_code(START)
