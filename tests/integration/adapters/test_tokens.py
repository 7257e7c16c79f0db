"""Access tokens: what is accepted, and every known way to forge one. Refresh tokens: their seal."""

import json
from base64 import urlsafe_b64decode
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.tokens import JwtAccessTokens, OpaqueRefreshTokens
from domain.refusals import TokenExpired, Unauthenticated
from domain.sessions import AccessClaims
from tests.fakes.clock import START, FakeClock
from tests.fakes.keys import FakeKeys
from tests.figures import Figures
from tests.forger import Forger, encoded, parts

SEED = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
ACCOUNT = UUID("01960000-0000-7000-8000-000000000001")
SESSION = UUID("01960000-0000-7000-8000-000000000002")
CLAIMS = AccessClaims(
    account_id=ACCOUNT, session_id=SESSION, expires_at=START + timedelta(minutes=15)
)


def tokens(clock: FakeClock | None = None, **differently: Any) -> JwtAccessTokens:  # noqa: ANN401
    return JwtAccessTokens(
        **{
            "keys": FakeKeys(SEED),
            "issuer": "storyloom",
            "audience": "storyloom-api",
            "clock": clock or FakeClock(),
            **differently,
        }
    )


async def forger() -> Forger:
    return Forger(await tokens().sign(CLAIMS), KEY)


async def test_a_token_says_who_and_until_when() -> None:
    assert await tokens().read(await tokens().sign(CLAIMS)) == CLAIMS


async def test_a_token_has_the_form_of_rfc_9068() -> None:
    header, payload = parts(await tokens().sign(CLAIMS))
    jwk = json.dumps(
        {"crv": "Ed25519", "kty": "OKP", "x": encoded(KEY.public_key().public_bytes_raw())},
        separators=(",", ":"),
    )
    assert header == {
        "alg": "EdDSA",
        "typ": "at+jwt",
        "kid": encoded(sha256(jwk.encode()).digest()),
    }
    assert UUID(payload.pop("jti")).version == 7
    assert payload == {
        "iss": "storyloom",
        "aud": "storyloom-api",
        "sub": str(ACCOUNT),
        "sid": str(SESSION),
        "iat": int(START.timestamp()),
        "exp": int(START.timestamp()) + 900,
    }


async def test_no_two_tokens_are_the_same() -> None:
    assert await tokens().sign(CLAIMS) != await tokens().sign(CLAIMS)


async def test_the_forger_of_these_tests_makes_good_tokens_too() -> None:
    assert await tokens().read((await forger()).forged()) == CLAIMS


async def test_every_forgery_is_refused(figures: Figures) -> None:
    forgeries = list((await forger()).all(START))
    for what, token in forgeries:
        try:
            await tokens().read(token)
        except (Unauthenticated, TokenExpired) as refusal:
            assert isinstance(refusal, TokenExpired) == (what in EXPIRED), what  # noqa: PT017
        else:
            pytest.fail(f"a good token, with {what}")
    figures.show("forged access tokens (JWT)", f"{len(forgeries)} of {len(forgeries)} refused")


EXPIRED = {"expired", "claims {'exp': 0}"}
"""Whose signature is good, and who is told that they must refresh."""


@pytest.mark.parametrize("other", [{"issuer": "staging"}, {"audience": "other-api"}], ids=str)
async def test_a_token_for_somebody_else_is_refused(other: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        await tokens().read(await tokens(**other).sign(CLAIMS))


async def test_a_token_expires_with_a_leeway_of_ten_seconds() -> None:
    clock = FakeClock()
    token = await tokens(clock).sign(CLAIMS)
    clock.advance(timedelta(minutes=15, seconds=9))
    assert (await tokens(clock).read(token)).expires_at == CLAIMS.expires_at
    clock.advance(timedelta(seconds=1))
    with pytest.raises(TokenExpired):
        await tokens(clock).read(token)


async def test_an_expired_token_of_another_key_is_only_refused() -> None:
    clock = FakeClock()
    clock.advance(timedelta(days=1))
    with pytest.raises(Unauthenticated):
        await tokens(clock).read(await tokens(keys=FakeKeys(bytes(32))).sign(CLAIMS))


async def test_a_token_from_a_clock_that_is_a_little_ahead_is_good() -> None:
    ahead = FakeClock(datetime.fromtimestamp(START.timestamp() + 9, START.tzinfo))
    assert await tokens().read(await tokens(ahead).sign(CLAIMS)) == CLAIMS


def test_refresh_tokens_are_256_random_bits_that_scanners_can_find() -> None:
    drawn = {OpaqueRefreshTokens().draw() for _ in range(100)}
    assert len(drawn) == 100
    for token in drawn:
        prefix, _, bits = token.partition("_")
        assert prefix == "slr"
        assert len(urlsafe_b64decode(bits + "=")) == 32


def test_of_a_refresh_token_its_sha256_is_stored() -> None:
    assert OpaqueRefreshTokens().digest("slr_a") == sha256(b"slr_a").digest()
    assert len(OpaqueRefreshTokens().digest("\ud800")) == 32


def test_a_successor_is_given_only_to_the_bearer_of_its_parent() -> None:
    refresh = OpaqueRefreshTokens()
    parent, child = refresh.draw(), refresh.draw()
    sealed = refresh.seal(child, under=parent)
    assert child.encode() not in sealed
    assert refresh.seal(child, under=parent) != sealed
    assert refresh.unseal(sealed, under=parent) == child
    with pytest.raises(InvalidTag):
        refresh.unseal(sealed, under=refresh.draw())
