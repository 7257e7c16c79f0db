"""Sessions: one log-in on one device, carried on by refresh tokens that are each used once."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field

from domain.entity import Entity, Value
from domain.text import scrub


class SessionEnd(StrEnum):
    """Why a session ended."""

    LOGGED_OUT = "logged_out"
    REFRESH_REUSED = "refresh_reused"
    ENDED_BY_OWNER = "ended_by_owner"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a reason
    EMAIL_CHANGED = "email_changed"
    ACCOUNT_DELETION = "account_deletion"
    ENDED_BY_ADMIN = "ended_by_admin"
    ACCOUNT_SUSPENDED = "account_suspended"


class SessionPolicy(Value):
    """How long tokens live (RFC 9700 4.14; OWASP ASVS 5.0, 7.3)."""

    access: timedelta = timedelta(minutes=15)
    idle: timedelta = timedelta(days=30)
    absolute: timedelta = timedelta(days=90)
    reuse_grace: timedelta = timedelta(seconds=10)


class Device(Value):
    """What a log-in tells of the device it came from: hints, since callers may say anything.

    `token` is what it got at its last log-in: with a good one it is known.
    """

    client_address: Annotated[str, AfterValidator(lambda text: text[:64])]
    user_agent: Annotated[str, AfterValidator(lambda text: scrub(text)[:256])]
    token: Annotated[str | None, AfterValidator(lambda text: text and text[:128])] = Field(
        default=None, repr=False
    )


class Session(Entity):
    """The family of refresh tokens that came from one log-in. Ending it ends them all.

    `authenticated_at` is when its bearer last proved who they are, at log-in or since; None for a
    session from before this was noted.
    """

    account_id: UUID
    client_address: str = Field(max_length=64)
    user_agent: str = Field(max_length=256)
    created_at: AwareDatetime
    last_used_at: AwareDatetime
    expires_at: AwareDatetime
    authenticated_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    end_reason: SessionEnd | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether its tokens may still be used."""
        return self.ended_at is None and now < self.expires_at

    def is_fresh(self, now: datetime, freshness: timedelta) -> bool:
        """Whether its bearer has proved who they are since so long."""
        return self.authenticated_at is not None and now - self.authenticated_at < freshness

    def ends_at(self, idle: timedelta) -> datetime:
        """When it ends if it is not used any more."""
        return min(self.expires_at, self.last_used_at + idle)

    def end(self, now: datetime, reason: SessionEnd) -> None:
        """End it; a second end changes nothing."""
        if self.ended_at is None:
            self.ended_at, self.end_reason = now, reason


class RefreshToken(Entity):
    """One link of a session's chain. The token itself is never stored, only its SHA-256."""

    session_id: UUID
    digest: bytes = Field(repr=False)
    issued_at: AwareDatetime
    expires_at: AwareDatetime
    used_at: AwareDatetime | None = None
    successor_id: UUID | None = None
    sealed_successor: bytes | None = Field(default=None, repr=False)


class AccessClaims(Value):
    """What an access token says of its bearer (RFC 9068)."""

    account_id: UUID
    session_id: UUID
    expires_at: datetime


class TokenPair(Value):
    """What a client holds after log-in or refresh. Times are UTC."""

    access_token: str = Field(repr=False)
    access_expires_at: datetime
    refresh_token: str = Field(repr=False)
    refresh_expires_at: datetime
