"""Deliveries: mails that are owed to somebody."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.codes import CodePurpose
from domain.entity import Entity
from domain.refusals import MailNotOwed


class DeliveryKind(StrEnum):
    """What a mail is about; it decides its template and what happens when it fails."""

    SIGN_UP_CODE = "sign_up_code"
    ADDRESS_IN_USE = "address_in_use"
    STORY_READY = "story_ready"
    SESSION_REVOKED = "session_revoked"
    TOTP_ENABLED = "totp_enabled"
    TOTP_DISABLED = "totp_disabled"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    SECOND_FACTOR_LOCKED = "second_factor_locked"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    PASSKEY_COPIED = "passkey_copied"
    PASSWORD_RESET_CODE = "password_reset_code"  # noqa: S105 - a kind
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a kind
    EMAIL_CHANGE_CODE = "email_change_code"
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CHANGED = "email_changed"
    ADDRESS_WANTED = "address_wanted"
    NEW_DEVICE = "new_device"
    PHONE_CODE = "phone_code"
    PHONE_PROVEN = "phone_proven"
    PHONE_REMOVED = "phone_removed"
    DELETION_REQUESTED = "deletion_requested"
    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_SUSPENDED = "account_suspended"
    ACCOUNT_REINSTATED = "account_reinstated"


CODE_MAILS = {
    DeliveryKind.SIGN_UP_CODE: CodePurpose.SIGN_UP,
    DeliveryKind.PASSWORD_RESET_CODE: CodePurpose.PASSWORD_RESET,
    DeliveryKind.EMAIL_CHANGE_CODE: CodePurpose.EMAIL_CHANGE,
    DeliveryKind.PHONE_CODE: CodePurpose.PHONE,
}
"""The mails that carry a code, and what each code is for."""


class DeliveryStatus(StrEnum):
    """Where a mail stands.

    SENDING is committed before the first byte goes out: a delivery that is found so at a later
    attempt may have reached its recipient.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class Delivery(Entity):
    """A mail that is owed, once, for one event.

    `event_key` names the event ("story:<id>:ready") and is unique. `subject_id` is the story or the
    challenge the mail is about. The Message-ID is made with the row and never changes (RFC 5322).
    After `expires_at` it is not sent any more.
    """

    kind: DeliveryKind
    event_key: str = Field(max_length=200)
    account_id: UUID | None
    recipient: str = Field(max_length=254)
    subject_id: UUID | None = None
    message_id: str = Field(max_length=255)
    status: DeliveryStatus = DeliveryStatus.QUEUED
    created_at: AwareDatetime
    expires_at: AwareDatetime
    attempts: int = 0
    sent_at: AwareDatetime | None = None
    failed_at: AwareDatetime | None = None
    last_error: str | None = Field(default=None, max_length=500)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be done about it."""
        return self.status in {DeliveryStatus.SENT, DeliveryStatus.FAILED}

    @property
    def is_code(self) -> bool:
        """Whether it carries a code: such a mail is never sent twice, another code is asked for."""
        return self.kind in CODE_MAILS

    def begin(self) -> None:
        """Note that it is about to be sent."""
        self.status, self.attempts = DeliveryStatus.SENDING, self.attempts + 1

    def put_back(self, error: str) -> None:
        """Note that it was not taken, and that it will be tried again."""
        self.status, self.last_error = DeliveryStatus.QUEUED, error[:500]

    def sent(self, now: datetime) -> None:
        """Note that the server took it."""
        self.status, self.sent_at, self.last_error = DeliveryStatus.SENT, now, None

    def fail(self, now: datetime, error: str) -> None:
        """Note that it will not be sent any more."""
        self.status, self.failed_at, self.last_error = DeliveryStatus.FAILED, now, error[:500]

    def reopen(self, now: datetime) -> None:
        """Owe it again, unless it was sent. Raises MailNotOwed where it must not be sent any more.

        Of a code that was on its way nobody knows whether it came: it is not sent twice.
        """
        if self.status is DeliveryStatus.SENT:
            return
        if self.expires_at <= now or (self.is_code and self.attempts):
            raise MailNotOwed
        if self.status is DeliveryStatus.FAILED:
            self.status, self.failed_at = DeliveryStatus.QUEUED, None
