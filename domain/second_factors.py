"""Second factors: an authenticator app, and the recovery codes for the day it is lost."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.accounts import Account
from domain.entity import Entity, Value

ENROLLMENT_LIFE = timedelta(minutes=15)
"""How long a secret waits for its first code. After that it is as if it had never been drawn."""

RECOVERY_CODES = 10
"""How many recovery codes an account gets at once."""


class FactorPolicy(Value):
    """The rules of logging in with a second factor (OWASP ASVS 5.0, 6.3.1 and 6.5)."""

    tries: int = 5
    tries_window: timedelta = timedelta(minutes=15)
    ticket_life: timedelta = timedelta(minutes=5)
    ticket_tries: int = 5


class TotpFactor(Entity):
    """An authenticator app (RFC 6238), one an account. Until a first code confirms it, it is idle.

    The secret is stored sealed. `last_step` is the newest time step whose code was accepted: no
    code of this step or an earlier one is accepted again (RFC 6238, 5.2).
    """

    account_id: UUID
    sealed_secret: bytes = Field(repr=False)
    created_at: AwareDatetime
    confirmed_at: AwareDatetime | None = None
    last_step: int = Field(default=0, ge=0)

    @property
    def is_enabled(self) -> bool:
        """Whether log-ins ask for it."""
        return self.confirmed_at is not None

    def awaits_first_code(self, now: datetime) -> bool:
        """Whether its enrolment can still be confirmed."""
        return not self.is_enabled and now < self.created_at + ENROLLMENT_LIFE

    def accept(self, step: int | None) -> bool:
        """Use up the time step that a code was right for; False where there is none, or no more."""
        if step is None or step <= self.last_step:
            return False
        self.last_step = step
        return True


class RecoveryCode(Entity):
    """A code that stands in for the authenticator app, once. Only its digest is stored."""

    account_id: UUID
    digest: bytes = Field(repr=False)
    created_at: AwareDatetime
    used_at: AwareDatetime | None = None


class SecondFactor(Value):
    """What the owner of an account sees of its second factor."""

    enabled_at: datetime
    recovery_codes_left: int


class TotpSecret(Value):
    """What an authenticator app is given: the secret in base32, and the same as `otpauth` URI."""

    secret: str = Field(repr=False)
    uri: str = Field(repr=False)
    sealed: bytes = Field(repr=False)


class LogInTicket(Value):
    """A log-in whose password was right and whose second factor is still owed.

    `password_version` names the password that was right: with another one the ticket is void. It
    is a hash of the salted password hash, so it tells nothing of either.
    """

    account_id: UUID
    password_version: bytes = Field(repr=False)

    @classmethod
    def of(cls, account: Account) -> Self:
        """Return the ticket of an account whose password was just right."""
        version = sha256(account.password_hash.encode()).digest()
        return cls(account_id=account.id, password_version=version)
