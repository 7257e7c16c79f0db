"""One-time codes: what they are for and how long they live."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from domain.entity import Value


class CodePurpose(StrEnum):
    """What a code proves. A code for one purpose never serves another."""

    SIGN_UP = "sign_up"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose
    EMAIL_CHANGE = "email_change"
    PHONE = "phone"


class CodePolicy(Value):
    """The rules a code lives by (OWASP ASVS 5.0, 6.5 and 6.6)."""

    digits: int = 6
    lifetime: timedelta = timedelta(minutes=10)
    attempts: int = 5
    cooldown: timedelta = timedelta(seconds=60)
    per_hour: int = 5
    per_day: int = 10


class Challenge(Value):
    """One request to prove an address; the code that answers it is mailed and kept only as a MAC.

    `account_id` is None for a decoy: an address that must not be told apart from an unknown one.
    `code_length` is for the client to show; a code is drawn to the policy of the moment.
    """

    id: UUID
    purpose: CodePurpose
    email: str
    account_id: UUID | None
    resend_at: datetime
    expires_at: datetime
    code_length: int = Field(default=6, ge=4, le=8)
