"""Passwords, codes and tokens: what somebody must know or hold."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.codes import Challenge, CodePurpose
from domain.sessions import AccessClaims
from domain.signing_keys import SigningKey


class Passwords(Protocol):
    """Hashes passwords, away from the event loop."""

    async def hash(self, password: str) -> str: ...
    async def verify(self, password: str, digest: str | None) -> bool:
        """Check a password; without a digest it takes as long, and is False."""
        ...

    def is_outdated(self, digest: str) -> bool:
        """Whether a hash was made with weaker parameters than today's."""
        ...


class Codes(Protocol):
    """One-time codes. Only their MACs are kept, and only for as long as they live.

    All raise UpstreamUnavailable where their store does not answer.
    """

    async def open(self, purpose: CodePurpose, email: str, account_id: UUID | None) -> Challenge:
        """Open a challenge. Raises RateLimited when the address, or all, had too many codes."""
        ...

    async def reopen(self, challenge_id: UUID) -> Challenge:
        """Ask for another code to an open challenge; the one before is void.

        Raises CodeExpired, RateLimited or CodeAttemptsExceeded.
        """
        ...

    async def current(self, purpose: CodePurpose, account_id: UUID) -> Challenge | None:
        """Return the account's open challenge."""
        ...

    async def find(self, challenge_id: UUID, purpose: CodePurpose) -> Challenge:
        """Return an open challenge for this purpose. Raises CodeExpired."""
        ...

    async def issue(self, challenge: Challenge) -> str:
        """Draw the code that answers the challenge, in the place of any drawn before.

        A challenge that was forgotten is kept again. Raises CodeExpired when its time is over.
        """
        ...

    async def redeem(self, challenge_id: UUID, purpose: CodePurpose, code: str) -> Challenge:
        """Use up a code. Raises CodeInvalid, CodeExpired or CodeAttemptsExceeded."""
        ...


class AccessTokens(Protocol):
    """The format of access tokens, in one place.

    Both raise UpstreamUnavailable where the keys cannot be learned.
    """

    async def sign(self, claims: AccessClaims) -> str: ...
    async def read(self, token: str) -> AccessClaims:
        """Check a token. Raises TokenExpired or Unauthenticated."""
        ...


class Locksmith(Protocol):
    """Makes keys of access tokens, and seals them under a secret that the database never sees."""

    def make(self, *, created_at: datetime, signs_from: datetime) -> SigningKey: ...
    def opens(self, key: SigningKey) -> bool:
        """Whether it was sealed under our secret, and is whole."""
        ...


class RefreshTokens(Protocol):
    """The format of refresh tokens."""

    def draw(self) -> str:
        """Return 256 random bits as text."""
        ...

    def digest(self, token: str) -> bytes: ...
    def seal(self, successor: str, *, under: str) -> bytes:
        """Encrypt a successor so that only the bearer of the token `under` can have it again."""
        ...

    def unseal(self, sealed: bytes, *, under: str) -> str: ...
