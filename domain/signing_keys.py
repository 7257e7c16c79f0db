"""The keys that sign access tokens: several at a time, so that one can follow another unnoticed."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field

from domain.entity import Entity, Value

LONGEST_TOKEN = timedelta(hours=1)
"""What ACCESS_TOKEN_MINUTES allows at most; what it is now may be less than it was before."""

STALEST = timedelta(minutes=1)
"""No process signs by what it knew of the keys longer ago."""

SKEW = timedelta(minutes=1)
"""More than the clocks of two processes are ever apart, leeway included."""

OVERLAP = LONGEST_TOKEN + STALEST + SKEW
"""A key verifies for so long after its successor signs: its last token has expired by then."""


class KeyPolicy(Value):
    """How long a new key is public before it signs, so that everybody knows it by then."""

    propagation: timedelta = timedelta(minutes=5)


class SigningKey(Entity):
    """A pair of keys. The private one is sealed: who has the database alone cannot sign.

    `kid` is its name in tokens, `public_key` the 32 bytes of Ed25519. It signs from `signs_from`
    until a younger one does, and verifies until `verifies_until`, which is set when it is replaced.
    """

    kid: str = Field(max_length=64)
    algorithm: str = Field(max_length=16)
    public_key: bytes
    sealed_private_key: bytes = Field(repr=False)
    created_at: AwareDatetime
    signs_from: AwareDatetime
    verifies_until: AwareDatetime | None = None

    def verifies(self, now: datetime) -> bool:
        """Whether its tokens may still be good."""
        return self.verifies_until is None or now < self.verifies_until

    def give_way(self, successor: "SigningKey") -> None:
        """Make room for a younger key; one that gave way already does not stay longer for it."""
        if self.verifies_until is None:
            self.verifies_until = successor.signs_from + OVERLAP


def signer(keys: Iterable[SigningKey], now: datetime) -> SigningKey | None:
    """Return the key that signs now: the youngest of those whose time has come."""
    ready = (key for key in keys if key.signs_from <= now and key.verifies(now))
    return max(ready, key=lambda key: (key.created_at, key.id), default=None)
