"""PASETO v4.public by the standard's own test vectors, 4-S-1 to 4-S-3 and 4-F-1 to 4-F-3.

They are those of paseto-standard/test-vectors. They hold the library that our codec calls, and a
reading of the standard that is written here without it, which then holds the codec itself.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from uuid import UUID

import orjson
import pyseto
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pyseto.versions.v4 import V4Public

from adapters.paseto_tokens import PURPOSE, PasetoAccessTokens
from domain.refusals import Unauthenticated
from domain.sessions import AccessClaims
from tests.fakes.clock import START, FakeClock
from tests.fakes.keys import FakeKeys

SEED = bytes.fromhex("b4cbfb43df4ce210727d953e4a713307fa19bb7d9f85041438d9e11b942a3774")
PUBLIC = bytes.fromhex("1eb9dbbbbc047c03fd70604e0071f0987e16b28b757225c11f00415d0e20b1a2")
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
PAYLOAD = b'{"data":"this is a signed message","exp":"2022-01-01T00:00:00+00:00"}'
FOOTER = b'{"kid":"zVhMiPBP9fRf2snEcT7gFTioeA9COcNy9DfgL1W60haN"}'

GOOD = {
    "4-S-1": (
        b"",
        b"",
        "bg_XBBzds8lTZShVlwwKSgeKpLT3yukTw6JUz3W4h_ExsQV-P0V54zemZDcAxFaSeef1QlXEFtkqxT1ciiQEDA",
    ),
    "4-S-2": (
        FOOTER,
        b"",
        "v3Jt8mx_TdM2ceTGoqwrh4yDFn0XsHvvV_D0DtwQxVrJEBMl0F2caAdgnpKlt4p7xBnx1HcO-SPo8FPp214HDw",
    ),
    "4-S-3": (
        FOOTER,
        b'{"test-vector":"4-S-3"}',
        "NPWciuD3d0o5eXJXG5pJy-DiVEoyPYWs1YSTwWHNJq6DZD3je5gf-0M4JR9ipdUSJbIovzmBECeaWmaqcaP0DQ",
    ),
}
"""Footer, implicit assertion and signature."""

BAD = {
    "4-F-1": (
        "v4.local.vngXfCISbnKgiP6VWGuOSlYrFYU300fy9ijW33rznDYgxHNPwWluAY2Bgb0z54C"
        "Us6aYYkIJ-bOOOmJHPuX_34Agt_IPlNdGDpRdGNnBz2MpWJvB3cttheEc1uyCEYltj7wBQQY"
        "X.YXJiaXRyYXJ5LXN0cmluZy10aGF0LWlzbid0LWpzb24"
    ),
    "4-F-2": (
        "v4.public.eyJpbnZhbGlkIjoidGhpcyBzaG91bGQgbmV2ZXIgZGVjb2RlIn22Sp4gjCaUw0"
        "c7EH84ZSm_jN_Qr41MrgLNu5LIBCzUr1pn3Z-Wukg9h3ceplWigpoHaTLcwxj0NsI1vjTh67"
        "YB.eyJraWQiOiJ6VmhNaVBCUDlmUmYyc25FY1Q3Z0ZUaW9lQTlDT2NOeTlEZmdMMVc2MGhhT"
        "iJ9"
    ),
    "4-F-3": (
        "v3.local.23e_2PiqpQBPvRFKzB0zHhjmxK3sKo2grFZRRLM-U7L0a8uHxuF9RlVz3Ic6Wmd"
        "UUWTxCaYycwWV1yM8gKbZB2JhygDMKvHQ7eBf8GtF0r3K0Q_gF1PXOxcOgztak1eD1dPe9rL"
        "VMSgR0nHJXeIGYVuVrVoLWQ.YXJiaXRyYXJ5LXN0cmluZy10aGF0LWlzbid0LWpzb24"
    ),
}


def vector(name: str) -> tuple[str, bytes, bytes]:
    """Return a good vector's token, its footer and its implicit assertion."""
    footer, implicit, signature = GOOD[name]
    token = f"v4.public.{encoded(PAYLOAD)}{signature}"
    return f"{token}.{encoded(footer)}" if footer else token, footer, implicit


# --- the standard, read anew ----------------------------------------------------------------------


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def authenticated(*pieces: bytes) -> bytes:
    """Return PAE: how many pieces, and each with its length, in 64 bits little-endian."""
    told = [len(pieces).to_bytes(8, "little")]
    for piece in pieces:
        told += [len(piece).to_bytes(8, "little"), piece]
    return b"".join(told)


def signed(key: Ed25519PrivateKey, payload: bytes, footer: bytes, implicit: bytes) -> str:
    signature = key.sign(authenticated(b"v4.public.", payload, footer, implicit))
    token = f"v4.public.{encoded(payload + signature)}"
    return f"{token}.{encoded(footer)}" if footer else token


def verified(key: Ed25519PublicKey, token: str, implicit: bytes) -> bytes:
    """Return the payload. Raises InvalidSignature."""
    body, _, footer = token.removeprefix("v4.public.").partition(".")
    raw = decoded(body)
    payload, signature = raw[:-64], raw[-64:]
    key.verify(signature, authenticated(b"v4.public.", payload, decoded(footer), implicit))
    return payload


# --- what must hold -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_the_vectors_are_what_the_library_and_our_reading_sign(name: str) -> None:
    token, footer, implicit = vector(name)
    assert KEY.public_key().public_bytes_raw() == PUBLIC
    made = pyseto.encode(V4Public(KEY), PAYLOAD, footer=footer, implicit_assertion=implicit)
    assert made.decode() == token
    assert signed(KEY, PAYLOAD, footer, implicit) == token


@pytest.mark.parametrize("name", GOOD)
def test_the_vectors_are_read_with_their_assertion_alone(name: str) -> None:
    token, footer, implicit = vector(name)
    read = pyseto.decode(V4Public(KEY.public_key()), token, implicit_assertion=implicit)
    assert (read.payload, read.footer) == (PAYLOAD, footer)
    assert verified(KEY.public_key(), token, implicit) == PAYLOAD
    with pytest.raises(pyseto.PysetoError):
        pyseto.decode(V4Public(KEY.public_key()), token, implicit_assertion=implicit + b".")
    with pytest.raises(InvalidSignature):
        verified(KEY.public_key(), token, implicit + b".")


async def test_our_codec_writes_what_the_standard_says() -> None:
    keys = FakeKeys(SEED)
    token = await ours(keys).sign(CLAIMS)
    payload = verified(KEY.public_key(), token, PURPOSE)
    footer = orjson.dumps({"kid": keys.kid})
    assert signed(KEY, payload, footer, PURPOSE) == token
    assert orjson.loads(payload)["sub"] == str(CLAIMS.account_id)


async def test_our_codec_reads_what_others_write_by_the_standard() -> None:
    keys = FakeKeys(SEED)
    claims = {
        "iss": "storyloom",
        "aud": "storyloom-api",
        "sub": str(CLAIMS.account_id),
        "sid": str(CLAIMS.session_id),
        "jti": secrets.token_hex(8),
        "iat": START.isoformat(),
        "exp": CLAIMS.expires_at.isoformat(),
    }
    footer = orjson.dumps({"kid": keys.kid})
    assert await ours(keys).read(signed(KEY, orjson.dumps(claims), footer, PURPOSE)) == CLAIMS


@pytest.mark.parametrize("token", [*(vector(name)[0] for name in GOOD), *BAD.values()])
async def test_no_vector_is_an_access_token_of_ours(token: str) -> None:
    keys = FakeKeys(SEED)
    keys.kid = "zVhMiPBP9fRf2snEcT7gFTioeA9COcNy9DfgL1W60haN"
    with pytest.raises(Unauthenticated):
        await ours(keys).read(token)


@pytest.mark.parametrize("name", BAD)
def test_the_vectors_that_must_fail_do(name: str) -> None:
    implicit = b'{"test-vector":"%s"}' % name.encode()
    with pytest.raises((pyseto.PysetoError, ValueError)):
        pyseto.decode(V4Public(KEY.public_key()), BAD[name], implicit_assertion=implicit)


CLAIMS = AccessClaims(
    account_id=UUID("01960000-0000-7000-8000-000000000001"),
    session_id=UUID("01960000-0000-7000-8000-000000000002"),
    expires_at=START + timedelta(minutes=15),
)


def ours(keys: FakeKeys) -> PasetoAccessTokens:
    return PasetoAccessTokens(
        keys=keys, issuer="storyloom", audience="storyloom-api", clock=FakeClock()
    )
