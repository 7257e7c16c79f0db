"""What every format of access tokens has in common: what it says, and when it is good."""

from datetime import datetime, timedelta

from uuid_utils.compat import uuid7

from domain.refusals import TokenExpired, Unauthenticated
from domain.sessions import AccessClaims

LEEWAY = timedelta(seconds=10)
"""How far the clocks of our own processes may be apart. Clients are told the exact expiry."""

LONGEST = 2048
"""Ours have about 450 characters; what is longer is not even parsed."""


def stated(claims: AccessClaims, *, issuer: str, audience: str) -> dict[str, str]:
    """Return what a token says beside its times, which each format writes in its own way."""
    return {
        "iss": issuer,
        "aud": audience,
        "sub": str(claims.account_id),
        "sid": str(claims.session_id),
        "jti": str(uuid7()),
    }


def judged(claims: AccessClaims, issued_at: datetime, now: datetime) -> AccessClaims:
    """Return claims that are good now. Raises TokenExpired, or Unauthenticated before their time.

    To be asked only once the signature is checked: strangers learn nothing of expiry.
    """
    if issued_at > now + LEEWAY:
        raise Unauthenticated
    if claims.expires_at <= now - LEEWAY:
        raise TokenExpired
    return claims
