"""Accounts: who a story is for."""

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
    """Whether the address is proven."""

    PENDING = "pending"
    ACTIVE = "active"


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
    created_at: AwareDatetime
    verified_at: AwareDatetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether the address has been proven."""
        return self.status is AccountStatus.ACTIVE

    def activate(self, now: AwareDatetime) -> Self:
        """Record that the address was proven."""
        self.status, self.verified_at = AccountStatus.ACTIVE, now
        return self
