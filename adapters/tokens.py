"""Access tokens as JWTs, and refresh tokens: their formats, each in one place."""

import secrets
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from adapters.keyring import Keys
from adapters.locksmith import ALGORITHM
from adapters.token_claims import LONGEST, judged, stated
from domain.refusals import Unauthenticated
from domain.sessions import AccessClaims
from usecases.ports.time_and_chance import Clock

TYPE = "at+jwt"

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

    def __init__(self, *, keys: Keys, issuer: str, audience: str, clock: Clock) -> None:
        self._keys, self._issuer, self._audience, self._clock = keys, issuer, audience, clock

    async def sign(self, claims: AccessClaims) -> str:
        """Write a token of the claims, as from now. Raises UpstreamUnavailable."""
        signer = await self._keys.signer()
        payload = {
            **stated(claims, issuer=self._issuer, audience=self._audience),
            "iat": int(self._clock.now().timestamp()),
            "exp": int(claims.expires_at.timestamp()),
        }
        header = {"typ": TYPE, "kid": signer.kid}
        return jwt.encode(payload, signer.private, algorithm=ALGORITHM, headers=header)

    async def read(self, token: str) -> AccessClaims:
        """Check a token. Raises TokenExpired, Unauthenticated or UpstreamUnavailable."""
        payload = await self._checked(token)
        claims = AccessClaims(
            account_id=payload["sub"],
            session_id=payload["sid"],
            expires_at=datetime.fromtimestamp(payload["exp"], UTC),
        )
        return judged(claims, datetime.fromtimestamp(payload["iat"], UTC), self._clock.now())

    async def _checked(self, token: str) -> Payload:
        if len(token) > LONGEST or not token.isascii():
            raise Unauthenticated
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            # Exactly the header that we write: no other type, key, or place to fetch one from.
            if not isinstance(kid, str) or header != {"alg": ALGORITHM, "typ": TYPE, "kid": kid}:
                raise Unauthenticated
            key = await self._keys.public(kid)
            if key is None:
                raise Unauthenticated
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options=CHECKS,
            )
            return PAYLOADS.validate_python(claims)
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
