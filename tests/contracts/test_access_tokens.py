"""What every format of access tokens promises."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import jwt
import orjson
import pyseto
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyseto.versions.v4 import V4Public

from adapters.keyring import Keys
from adapters.paseto_tokens import PURPOSE, PasetoAccessTokens
from adapters.tokens import JwtAccessTokens
from domain.refusals import TokenExpired, Unauthenticated
from domain.sessions import AccessClaims
from tests.fakes.clock import START, FakeClock
from tests.fakes.keys import FakeKeys
from usecases.ports.secrets import AccessTokens
from usecases.ports.time_and_chance import Clock

ACCOUNT = UUID("01960000-0000-7000-8000-000000000001")
SESSION = UUID("01960000-0000-7000-8000-000000000002")
CLAIMS = AccessClaims(
    account_id=ACCOUNT, session_id=SESSION, expires_at=START + timedelta(minutes=15)
)
KEYS = FakeKeys(bytes(range(32)))
SAID: dict[str, Any] = {
    "iss": "storyloom",
    "aud": "storyloom-api",
    "sub": str(ACCOUNT),
    "sid": str(SESSION),
    "jti": "one",
    "iat": START,
    "exp": START + timedelta(minutes=15),
}


class Format(Protocol):
    """Makes a format's tokens, with whatever is different about them."""

    def __call__(
        self,
        *,
        keys: Keys = KEYS,
        issuer: str = "storyloom",
        audience: str = "storyloom-api",
        clock: Clock | None = None,
    ) -> AccessTokens: ...


def _format(kind: Callable[..., AccessTokens]) -> Format:
    def tokens(
        *,
        keys: Keys = KEYS,
        issuer: str = "storyloom",
        audience: str = "storyloom-api",
        clock: Clock | None = None,
    ) -> AccessTokens:
        return kind(keys=keys, issuer=issuer, audience=audience, clock=clock or FakeClock())

    return tokens


FORMATS = {"jwt": _format(JwtAccessTokens), "paseto": _format(PasetoAccessTokens)}


@pytest.fixture(params=sorted(FORMATS))
def tokens(request: pytest.FixtureRequest) -> Format:
    """Return each format in turn: all must pass."""
    return FORMATS[request.param]


def forged_jwt(claims: dict[str, Any]) -> str:
    """Return a JWT with our own signature and any claims."""
    payload = {
        name: int(value.timestamp()) if isinstance(value, datetime) else value
        for name, value in claims.items()
    }
    header = {"typ": "at+jwt", "kid": KEYS.kid}
    # Without PyJWT's own opinion on what a claim may be.
    return jwt.PyJWS().encode(orjson.dumps(payload), KEYS.private, "EdDSA", header)


def forged_paseto(
    claims: dict[str, Any], *, footer: object = None, purpose: bytes = PURPOSE
) -> str:
    """Return a PASETO with our own signature and any claims."""
    return pyseto.encode(
        V4Public(KEYS.private),
        orjson.dumps(claims),
        footer=orjson.dumps({"kid": KEYS.kid} if footer is None else footer),
        implicit_assertion=purpose,
    ).decode()


def forger(tokens: Format) -> Callable[[dict[str, Any]], str]:
    """Return what forges tokens of that format."""
    return forged_jwt if tokens is FORMATS["jwt"] else forged_paseto


async def test_a_token_says_who_and_until_when(tokens: Format) -> None:
    assert await tokens().read(await tokens().sign(CLAIMS)) == CLAIMS


async def test_no_two_tokens_are_the_same(tokens: Format) -> None:
    assert await tokens().sign(CLAIMS) != await tokens().sign(CLAIMS)


async def test_a_token_expires_with_a_leeway_of_ten_seconds(tokens: Format) -> None:
    clock = FakeClock()
    token = await tokens(clock=clock).sign(CLAIMS)
    clock.advance(timedelta(minutes=15, seconds=9))
    assert await tokens(clock=clock).read(token) == CLAIMS
    clock.advance(timedelta(seconds=1))
    with pytest.raises(TokenExpired):
        await tokens(clock=clock).read(token)


async def test_a_token_of_the_future_is_refused(tokens: Format) -> None:
    for seconds, is_good in ((9, True), (11, False)):
        token = await tokens(clock=FakeClock(START + timedelta(seconds=seconds))).sign(CLAIMS)
        if is_good:
            assert await tokens().read(token) == CLAIMS
        else:
            with pytest.raises(Unauthenticated):
                await tokens().read(token)


async def test_a_token_for_somebody_else_is_refused(tokens: Format) -> None:
    for other in (tokens(issuer="staging"), tokens(audience="other-api")):
        with pytest.raises(Unauthenticated):
            await tokens().read(await other.sign(CLAIMS))


async def test_the_signature_of_another_key_is_refused(tokens: Format) -> None:
    theirs = FakeKeys(bytes(32))
    with pytest.raises(Unauthenticated):
        await tokens().read(await tokens(keys=theirs).sign(CLAIMS))
    theirs.kid = KEYS.kid  # under our name
    with pytest.raises(Unauthenticated):
        await tokens().read(await tokens(keys=theirs).sign(CLAIMS))


async def test_an_expired_token_of_another_key_tells_nothing_of_its_expiry(tokens: Format) -> None:
    clock = FakeClock(START + timedelta(days=1))
    theirs = FakeKeys(bytes(32))
    theirs.kid = KEYS.kid
    with pytest.raises(Unauthenticated):
        await tokens(clock=clock).read(await tokens(keys=theirs).sign(CLAIMS))


async def test_the_forgers_of_these_tests_make_good_tokens_too(tokens: Format) -> None:
    assert await tokens().read(forger(tokens)(SAID)) == CLAIMS


@pytest.mark.parametrize("name", sorted(SAID))
async def test_each_claim_is_required(tokens: Format, name: str) -> None:
    with pytest.raises(Unauthenticated):
        await tokens().read(forger(tokens)({n: v for n, v in SAID.items() if n != name}))


@pytest.mark.parametrize(
    "claim",
    [
        {"iss": "another"},
        {"iss": ["storyloom"]},
        {"aud": ["storyloom-api"]},
        {"aud": ["storyloom-api", "another-api"]},
        {"aud": ""},
        {"sub": "admin"},
        {"sub": 7},
        {"sid": None},
        {"exp": "never"},
        {"exp": None},
        {"exp": True},
        {"exp": "9999999999"},
        {"exp": "2026-03-14"},
        {"exp": "2026-03-14T15:24:26"},
        {"iat": "now"},
        {"jti": 7},
    ],
    ids=str,
)
async def test_any_other_claim_is_refused(tokens: Format, claim: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        await tokens().read(forger(tokens)({**SAID, **claim}))


async def test_a_token_of_the_other_format_is_refused() -> None:
    for one, other in (("jwt", "paseto"), ("paseto", "jwt")):
        with pytest.raises(Unauthenticated):
            await FORMATS[one]().read(await FORMATS[other]().sign(CLAIMS))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_one_changed_character_makes_it_worthless(
    tokens: Format, data: st.DataObject
) -> None:
    token = await tokens().sign(CLAIMS)
    at = data.draw(st.integers(0, len(token) - 1))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= \n"
    other = data.draw(st.sampled_from([c for c in alphabet if c != token[at]]))
    with pytest.raises(Unauthenticated):
        await tokens().read(f"{token[:at]}{other}{token[at + 1 :]}")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=60)
    | st.from_regex(r"[A-Za-z0-9_.=-]{0,60}", fullmatch=True)
    | st.builds("v4.public.{}.{}".format, st.text("abcAB09-_=", max_size=99), st.text(max_size=9))
)
async def test_rubbish_is_refused(tokens: Format, rubbish: str) -> None:
    with pytest.raises(Unauthenticated):
        await tokens().read(rubbish)


@pytest.mark.parametrize("rubbish", ["\ud800.a.b", "a" * 5000, "v4.public." + "a" * 5000, "null"])
async def test_what_is_no_text_or_too_long_is_not_even_parsed(tokens: Format, rubbish: str) -> None:
    with pytest.raises(Unauthenticated):
        await tokens().read(rubbish)


# --- PASETO's own ways to be forged; those of JWT are in tests/integration/adapters/test_tokens.py


@pytest.mark.parametrize(
    "header", ["v1.public.", "v2.public.", "v3.public.", "v4.local.", "v4.Public.", "v5.public."]
)
async def test_another_version_or_purpose_is_refused(header: str) -> None:
    token = forged_paseto(SAID)
    with pytest.raises(Unauthenticated):
        await FORMATS["paseto"]().read(header + token.removeprefix("v4.public."))


@pytest.mark.parametrize(
    "footer",
    [
        {},
        {"kid": "another"},
        {"kid": 7},
        {"kid": None},
        {"kid": KEYS.kid, "wpk": "k4.local-wrap.pie.x"},
        [KEYS.kid],
        KEYS.kid,
    ],
    ids=str,
)
async def test_any_other_footer_is_refused(footer: object) -> None:
    with pytest.raises(Unauthenticated):
        await FORMATS["paseto"]().read(forged_paseto(SAID, footer=footer))


async def test_without_a_footer_it_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        await FORMATS["paseto"]().read(forged_paseto(SAID).rpartition(".")[0])


async def test_what_our_keys_signed_for_another_purpose_is_no_access_token() -> None:
    for purpose in (b"", b"storyloom download link"):
        with pytest.raises(Unauthenticated):
            await FORMATS["paseto"]().read(forged_paseto(SAID, purpose=purpose))


async def test_no_token_has_a_second_spelling() -> None:
    token = forged_paseto(SAID)
    head, body, footer = token.removeprefix("v4.").split(".")
    raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    padded = urlsafe_b64encode(raw).decode()
    for second in (f"v4.{head}.{padded}=.{footer}", f"{token}=", f"{token}\n", f" {token}"):
        with pytest.raises(Unauthenticated):
            await FORMATS["paseto"]().read(second)
