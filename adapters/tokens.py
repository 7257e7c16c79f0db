"""Access and refresh tokens: their formats, each in one place."""

import secrets
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict
from uuid_utils.compat import uuid7

from domain.refusals import TokenExpired, Unauthenticated
from domain.sessions import AccessClaims
from usecases.ports import Clock

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
LEEWAY = timedelta(seconds=10)
"""How far the clocks of our own processes may be apart. Clients are told the exact expiry."""

LONGEST = 2048
"""Ours have about 450 characters; what is longer is not even parsed."""

CHECKS: Any = {
    "require": ["iss", "aud", "sub", "exp", "iat", "jti", "sid"],
    "strict_aud": True,
    # Time is told by our clock, below: PyJWT would ask the system's.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


Seconds = Annotated[int, Field(strict=True, ge=0, lt=2**33)]
"""A time as JWTs write it, before the year 2243."""


class Payload(TypedDict):
    """The claims that we read, by type."""

    sub: UUID
    sid: UUID
    exp: Seconds
    iat: Seconds


PAYLOADS = TypeAdapter(Payload)


class JwtAccessTokens:
    """Implements `AccessTokens` by JWTs of RFC 9068, signed with Ed25519 (RFC 8725's advice)."""

    def __init__(self, *, seed: bytes, issuer: str, audience: str, clock: Clock) -> None:
        """`seed` is the Ed25519 private key: 32 bytes."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key()
        self._key_id = _thumbprint(self._public.public_bytes_raw())
        self._issuer, self._audience, self._clock = issuer, audience, clock

    def sign(self, claims: AccessClaims) -> str:
        """Write a token of the claims, as from now."""
        payload = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(claims.account_id),
            "sid": str(claims.session_id),
            "jti": str(uuid7()),
            "iat": int(self._clock.now().timestamp()),
            "exp": int(claims.expires_at.timestamp()),
        }
        header = {"typ": TYPE, "kid": self._key_id}
        return jwt.encode(payload, self._private, algorithm=ALGORITHM, headers=header)

    def read(self, token: str) -> AccessClaims:
        """Check a token. Raises TokenExpired or Unauthenticated."""
        payload = self._checked(token)
        now = self._clock.now()
        if payload["iat"] > (now + LEEWAY).timestamp():
            raise Unauthenticated
        if payload["exp"] <= (now - LEEWAY).timestamp():
            raise TokenExpired
        return AccessClaims(
            account_id=payload["sub"],
            session_id=payload["sid"],
            expires_at=datetime.fromtimestamp(payload["exp"], UTC),
        )

    def _checked(self, token: str) -> Payload:
        if len(token) > LONGEST or not token.isascii():
            raise Unauthenticated
        try:
            read = jwt.decode_complete(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options=CHECKS,
            )
            # Exactly the header that we write: no other type, key, or place to fetch one from.
            if read["header"] != {"alg": ALGORITHM, "typ": TYPE, "kid": self._key_id}:
                raise Unauthenticated
            return PAYLOADS.validate_python(read["payload"])
        except (jwt.InvalidTokenError, ValidationError):
            raise Unauthenticated from None


class OpaqueRefreshTokens:
    """Implements `RefreshTokens`: 256 random bits, with a prefix that secret scanners can find."""

    PREFIX = "slr_"

    def draw(self) -> str:
        """Return a new token."""
        return self.PREFIX + secrets.token_urlsafe(32)

    def digest(self, token: str) -> bytes:
        """Return what is stored of it. A fast hash will do: nobody guesses 256 bits."""
        return sha256(token.encode("utf-8", "surrogatepass")).digest()

    def seal(self, successor: str, *, under: str) -> bytes:
        """Encrypt a successor so that only the bearer of the token `under` can have it again."""
        nonce = secrets.token_bytes(12)
        return nonce + self._cipher(under).encrypt(nonce, successor.encode(), None)

    def unseal(self, sealed: bytes, *, under: str) -> str:
        """Return the successor. Raises `cryptography.exceptions.InvalidTag` for another token."""
        return self._cipher(under).decrypt(sealed[:12], sealed[12:], None).decode()

    @staticmethod
    def _cipher(token: str) -> AESGCM:
        derive = HKDF(SHA256(), length=32, salt=None, info=b"storyloom refresh successor")
        return AESGCM(derive.derive(token.encode()))


def _thumbprint(public_key: bytes) -> str:
    """Return the key's name: a hash of its JWK (RFC 7638, RFC 8037)."""
    jwk = orjson.dumps(
        {"crv": "Ed25519", "kty": "OKP", "x": _text(public_key)}, option=orjson.OPT_SORT_KEYS
    )
    return _text(sha256(jwk).digest())


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
