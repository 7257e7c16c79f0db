"""Accounts: who a story is for."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, Field

from domain.entity import Entity
from domain.text import one_line

DisplayName = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(one_line)]
Interest = Annotated[str, Field(min_length=1, max_length=20), AfterValidator(one_line)]


def _distinct(interests: list[str]) -> list[str]:
    if len({interest.casefold() for interest in interests}) < len(interests):
        raise ValueError("must not name an interest twice")
    return interests


Interests = Annotated[list[Interest], Field(max_length=5), AfterValidator(_distinct)]


class AccountStatus(StrEnum):
    """Whether the address is proven; CLOSED is an account that is about to be erased."""

    PENDING = "pending"
    ACTIVE = "active"
    CLOSED = "closed"


class Role(StrEnum):
    """What an account may do beside using its own things. It is read from here, not from tokens."""

    USER = "user"
    ADMIN = "admin"


class Account(Entity):
    """A person who signed up. `email` is in the one form that addresses are compared in.

    Several pending accounts may claim one address, each with its own password; the first whose
    code is proven becomes active, and the others are removed. So nobody can plant a password on
    an address before its owner signs up.
    """

    email: str = Field(max_length=254)
    password_hash: str = Field(repr=False)
    display_name: DisplayName
    interests: Interests = Field(default_factory=list)
    status: AccountStatus = AccountStatus.PENDING
    role: Role = Role.USER
    created_at: AwareDatetime
    verified_at: AwareDatetime | None = None
    phone_number: str | None = Field(default=None, max_length=16, repr=False)
    phone_verified_at: AwareDatetime | None = None
    deletion_requested_at: AwareDatetime | None = None
    deletion_due_at: AwareDatetime | None = None
    suspended_at: AwareDatetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether the address has been proven."""
        return self.status is AccountStatus.ACTIVE

    def activate(self, now: AwareDatetime) -> Self:
        """Record that the address was proven."""
        self.status, self.verified_at = AccountStatus.ACTIVE, now
        return self

    def set_phone(self, number: str, now: AwareDatetime) -> None:
        """Record that its owner can be reached under this number (E.164)."""
        self.phone_number, self.phone_verified_at = number, now

    def drop_phone(self) -> None:
        """Forget the phone number."""
        self.phone_number = self.phone_verified_at = None

    @property
    def is_leaving(self) -> bool:
        """Whether its owner wants it deleted."""
        return self.deletion_due_at is not None

    def is_due(self, now: datetime) -> bool:
        """Whether its time of grace is over."""
        return self.is_active and self.deletion_due_at is not None and self.deletion_due_at <= now

    def leave(self, now: AwareDatetime, grace: timedelta) -> None:
        """Record that its owner wants it deleted; again changes nothing."""
        if not self.is_leaving:
            self.deletion_requested_at, self.deletion_due_at = now, now + grace

    def stay(self) -> None:
        """Record that its owner has changed their mind."""
        self.deletion_requested_at = self.deletion_due_at = None

    @property
    def is_suspended(self) -> bool:
        """Whether an admin keeps everybody out of it, its owner too."""
        return self.suspended_at is not None

    def suspend(self, now: AwareDatetime) -> None:
        """Record that nobody may log in; again changes nothing."""
        if not self.is_suspended:
            self.suspended_at = now

    def reinstate(self) -> None:
        """Record that its owner may log in again."""
        self.suspended_at = None

    def close(self) -> None:
        """End the time of grace: nobody can log in any more, and its address is free."""
        self.status = AccountStatus.CLOSED
