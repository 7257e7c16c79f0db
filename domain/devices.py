"""Devices that an account was used from before: its owner's, as far as one can know."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.entity import Entity, Value


class DevicePolicy(Value):
    """How many devices an account is known by, and for how long after each was last used."""

    most: int = Field(default=20, ge=1)
    idle: timedelta = timedelta(days=180)
    quiet: timedelta = timedelta(hours=1)
    """At most one notice of a new device in this time, for an account and a network."""


class KnownDevice(Entity):
    """A device that a log-in came from. It proves itself by a token, kept only as its SHA-256.

    `network` and `user_agent` are what it said at its last log-in. `noticed_at` is when its
    account's owner was told of it; None where there was no need.
    """

    account_id: UUID
    digest: bytes = Field(repr=False)
    user_agent: str = Field(max_length=256)
    network: str = Field(max_length=64)
    added_at: AwareDatetime
    last_used_at: AwareDatetime
    noticed_at: AwareDatetime | None = None

    def is_fresh(self, now: datetime, policy: DevicePolicy) -> bool:
        """Whether it is still known."""
        return now - self.last_used_at < policy.idle
