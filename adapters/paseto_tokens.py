"""Access tokens as PASETOs: v4.public, for those who want no algorithm to choose."""

from base64 import urlsafe_b64decode
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

import orjson
import pyseto
from pydantic import AwareDatetime, BeforeValidator, TypeAdapter, ValidationError
from pyseto.key_interface import KeyInterface
from pyseto.versions.v4 import V4Public
from typing_extensions import TypedDict

from adapters.keyring import Keys
from adapters.locksmith import text
from adapters.token_claims import LONGEST, judged, stated
from domain.refusals import Unauthenticated
from domain.sessions import AccessClaims
from usecases.ports.time_and_chance import Clock

HEADER = "v4.public."

PURPOSE = b"storyloom access token"
"""Signed with every token, written in none: what else these keys may sign can never be one."""


def _moment(value: object) -> datetime:
    """Read a time as PASETO writes it; a date alone, or seconds since 1970, are none."""
    if not isinstance(value, str) or "T" not in value:
        raise ValueError("must be a date and time of ISO 8601")
    return datetime.fromisoformat(value)


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


class Payload(TypedDict):
    """The claims that we read, by type."""

    iss: str
    aud: str
    sub: UUID
    sid: UUID
    jti: str
    exp: Moment
    iat: Moment


PAYLOADS = TypeAdapter(Payload)


class PasetoAccessTokens:
    """Implements `AccessTokens` by PASETO v4.public: Ed25519, and the key's name in the footer."""

    def __init__(self, *, keys: Keys, issuer: str, audience: str, clock: Clock) -> None:
        self._keys, self._issuer, self._audience, self._clock = keys, issuer, audience, clock

    async def sign(self, claims: AccessClaims) -> str:
        """Write a token of the claims, as from now. Raises UpstreamUnavailable."""
        signer = await self._keys.signer()
        payload = {
            **stated(claims, issuer=self._issuer, audience=self._audience),
            "iat": self._clock.now().isoformat(timespec="seconds"),
            "exp": claims.expires_at.isoformat(timespec="seconds"),
        }
        key: KeyInterface = V4Public(signer.private)
        return pyseto.encode(
            key, orjson.dumps(payload), footer=_footer(signer.kid), implicit_assertion=PURPOSE
        ).decode()

    async def read(self, token: str) -> AccessClaims:
        """Check a token. Raises TokenExpired, Unauthenticated or UpstreamUnavailable."""
        key = await self._keys.public(_kid(token))
        if key is None:
            raise Unauthenticated
        try:
            read = pyseto.decode(V4Public(key), token, implicit_assertion=PURPOSE)
            payload = PAYLOADS.validate_json(cast("bytes", read.payload), strict=True)
        except (pyseto.PysetoError, ValidationError, ValueError):
            raise Unauthenticated from None
        if payload["iss"] != self._issuer or payload["aud"] != self._audience:
            raise Unauthenticated
        claims = AccessClaims(
            account_id=payload["sub"], session_id=payload["sid"], expires_at=payload["exp"]
        )
        return judged(claims, payload["iat"], self._clock.now())


def _footer(kid: str) -> bytes:
    return orjson.dumps({"kid": kid})


def _kid(token: str) -> str:
    """Return the name of the key that a token claims to be signed by. Raises Unauthenticated.

    The token must look exactly as we write it: one header, and base64url of which there is only one
    form, so that no token has a second spelling.
    """
    if len(token) > LONGEST or not token.isascii() or not token.startswith(HEADER):
        raise Unauthenticated
    try:
        body, footer = token.removeprefix(HEADER).split(".")
        signed, said = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in (body, footer))
        kid = orjson.loads(said)["kid"]
        as_we_write = (text(signed), text(_footer(kid))) == (body, footer)
    except (ValueError, TypeError, KeyError):
        raise Unauthenticated from None
    if not isinstance(kid, str) or not as_we_write:
        raise Unauthenticated
    return kid
