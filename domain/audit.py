"""The audit trail: what happened to an account, in an order that nobody can change unseen."""

import json
from collections.abc import Mapping
from datetime import UTC
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.entity import Entity, Value


class Act(StrEnum):
    """A security-relevant act."""

    SIGNED_UP = "signed_up"
    ADDRESS_PROVEN = "address_proven"
    LOGGED_IN = "logged_in"
    LOG_IN_FAILED = "log_in_failed"
    LOCKED_OUT = "locked_out"
    LOGGED_OUT = "logged_out"
    REAUTHENTICATED = "reauthenticated"
    SESSION_ENDED = "session_ended"
    REFRESH_REUSED = "refresh_reused"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - an act
    PASSWORD_RESET_REQUESTED = "password_reset_requested"  # noqa: S105 - an act
    PASSWORD_RESET = "password_reset"  # noqa: S105 - an act
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_CHANGED = "email_changed"
    TOTP_ENABLED = "totp_enabled"
    TOTP_DISABLED = "totp_disabled"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_RENAMED = "passkey_renamed"
    PASSKEY_REMOVED = "passkey_removed"
    PHONE_PROVEN = "phone_proven"
    PHONE_REMOVED = "phone_removed"
    DATA_EXPORTED = "data_exported"
    DELETION_REQUESTED = "deletion_requested"
    DELETION_CANCELED = "deletion_canceled"
    ACCOUNT_ERASED = "account_erased"
    ADMINISTERED = "administered"
    ACCOUNT_VIEWED = "account_viewed"
    SESSIONS_ENDED_BY_ADMIN = "sessions_ended_by_admin"
    ACCOUNT_SUSPENDED = "account_suspended"
    ACCOUNT_REINSTATED = "account_reinstated"
    JOB_RETRIED = "job_retried"
    JOB_DISCARDED = "job_discarded"
    ROLE_GRANTED = "role_granted"
    ROLE_REVOKED = "role_revoked"
    SIGNING_KEYS_ROTATED = "signing_keys_rotated"


GENESIS = bytes(32)
"""What stands before the first entry, in the place of a digest."""


class AuditDetails(Entity):
    """The part of an entry that may tell of a person. Its `id` is the entry's.

    The entry holds only a salted digest of it: erasing the details and their salt leaves the chain
    whole, and nobody can find out by trying what they were. `detail` names what changed, never a
    secret, a code or a whole address.
    """

    salt: bytes = Field(repr=False)
    client_address: str = Field(default="", max_length=64)
    user_agent: str = Field(default="", max_length=256)
    detail: dict[str, str] = Field(default_factory=dict)

    def seal(self) -> bytes:
        """Return the SHA-256 of the salt and the canonical JSON of the rest."""
        told = {
            "client_address": self.client_address,
            "detail": self.detail,
            "user_agent": self.user_agent,
        }
        return sha256(self.salt + canonical(told)).digest()


class AuditEntry(Entity):
    """One act. The account stays in it as a pseudonym, also once it is erased.

    `details_digest` is the seal of the details. `digest` covers the entry and the digest before it,
    so that a changed, removed or inserted entry breaks the chain from there on.
    """

    sequence: int = Field(ge=1)
    act: Act
    account_id: UUID | None
    session_id: UUID | None = None
    occurred_at: AwareDatetime
    details_digest: bytes = Field(repr=False)
    previous: bytes = Field(repr=False)
    digest: bytes = Field(repr=False)

    def expected_digest(self) -> bytes:
        """Return the SHA-256 of the digest before it and the entry's canonical JSON."""
        told = {
            "account_id": self.account_id and str(self.account_id),
            "act": self.act.value,
            "details": self.details_digest.hex(),
            "id": str(self.id),
            "occurred_at": f"{self.occurred_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "sequence": self.sequence,
            "session_id": self.session_id and str(self.session_id),
        }
        return sha256(self.previous + canonical(told)).digest()


class AuditRecord(Value):
    """An entry as it is read: with its details, or without them once they were erased."""

    entry: AuditEntry
    details: AuditDetails | None


class Anchor(Value):
    """An entry that was noted outside of the database: it must still be there, and the same."""

    sequence: int = Field(ge=1)
    digest: bytes


class AuditVerdict(Value):
    """What a check of the trail has found.

    `head` is the last good entry, to be noted as the next anchor; None for an empty trail. `erased`
    counts entries whose details were erased. `broken_at` is the first sequence that is wrong.
    """

    head: Anchor | None
    erased: int
    broken_at: int | None = None
    fault: str = ""


class Inspection:
    """A walk along the trail, from its first entry on."""

    def __init__(self, anchor: Anchor | None = None) -> None:
        self.sequence = 0
        self._digest, self._anchor = GENESIS, anchor
        self._erased, self._fault = 0, ""

    def passes(self, record: AuditRecord) -> bool:
        """Whether the record is the next one, unchanged."""
        self._fault = self._fault_of(record)
        if self._fault:
            return False
        self.sequence, self._digest = record.entry.sequence, record.entry.digest
        self._erased += record.details is None
        return True

    def verdict(self, *, is_end: bool = False) -> AuditVerdict:
        """Return what was found, at the end of the trail or where it is broken."""
        if is_end and self._anchor and self._anchor.sequence > self.sequence:
            self._fault = "entries that were there before are missing"
        return AuditVerdict(
            head=Anchor(sequence=self.sequence, digest=self._digest) if self.sequence else None,
            erased=self._erased,
            broken_at=self.sequence + 1 if self._fault else None,
            fault=self._fault,
        )

    def _fault_of(self, record: AuditRecord) -> str:
        entry, details = record.entry, record.details
        if entry.sequence != self.sequence + 1:
            return "an entry is missing"
        if entry.previous != self._digest:
            return "it does not follow the entry before"
        if entry.digest != entry.expected_digest():
            return "the entry was changed"
        if details and details.seal() != entry.details_digest:
            return "its details were changed"
        anchor = self._anchor
        if anchor and anchor.sequence == entry.sequence and anchor.digest != entry.digest:
            return "it is not the entry that was noted: the trail was made anew"
        return ""


def canonical(told: Mapping[str, object]) -> bytes:
    """Write JSON of which there is only one form (RFC 8785, for texts, whole numbers and null)."""
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
