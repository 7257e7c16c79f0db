"""The tables: each row is a domain entity plus what only PostgreSQL needs to know.

A table row checks nothing when it is made, so rows are made from entities alone, by `insert`.
"""

# SQLModel types `model_config` more narrowly than pydantic; at run time the two are merged.
# mypy: disable-error-code="misc"

from datetime import timedelta
from typing import Any, ClassVar, NoReturn, TypeVar
from uuid import UUID

from pydantic import AwareDatetime
from sqlalchemy import BigInteger, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from db.columns import Document, Name, Number
from domain.accounts import Account, AccountStatus, Interest, Role
from domain.audit import Act, AuditDetails, AuditEntry
from domain.briefs import StoryBrief
from domain.deliveries import Delivery, DeliveryKind, DeliveryStatus
from domain.devices import KnownDevice
from domain.entity import Entity
from domain.jobs import Job, JobState, Priority, Queue
from domain.passkeys import Passkey
from domain.second_factors import RecoveryCode, TotpFactor
from domain.sessions import RefreshToken, Session, SessionEnd
from domain.signing_keys import SigningKey
from domain.stories import Chapter, Story, StoryPlan, StoryStatus
from usecases.ports.transactions import Taken

R = TypeVar("R", bound=SQLModel)

UNIQUE_VIOLATION = "23505"
"""SQLSTATE of PostgreSQL's `unique_violation`."""

LIVE_JOB = text("state IN ('scheduled', 'queued', 'running')")
SCHEDULED_JOB = text("state = 'scheduled'")
QUEUED_JOB = text("state = 'queued'")
RUNNING_JOB = text("state = 'running'")
DEAD_JOB = text("state = 'dead'")
"""Literals, not parameters: only so can PostgreSQL prove that a partial index serves a query."""


class AccountRow(Account, SQLModel, table=True):
    """`accounts`: one active account an address, any number of pending ones."""

    __tablename__: ClassVar[str] = "accounts"
    __table_args__ = (
        Index("accounts_email", "email", "created_at"),
        Index(
            "accounts_active_email",
            "email",
            unique=True,
            postgresql_where=text("status = 'active'"),
        ),
        Index(
            "accounts_leaving",
            "deletion_due_at",
            postgresql_where=text("deletion_due_at IS NOT NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    password_hash: str = Field(repr=False, sa_type=Text)
    interests: list[Interest] = Field(sa_type=ARRAY(Text))
    status: AccountStatus = Field(sa_type=Name(AccountStatus))
    role: Role = Field(sa_type=Name(Role))


class SessionRow(Session, SQLModel, table=True):
    """`sessions`."""

    __tablename__: ClassVar[str] = "sessions"

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)
    end_reason: SessionEnd | None = Field(default=None, sa_type=Name(SessionEnd))


class RefreshTokenRow(RefreshToken, SQLModel, table=True):
    """`refresh_tokens`: the links of each session's chain."""

    __tablename__: ClassVar[str] = "refresh_tokens"
    __table_args__ = (UniqueConstraint("digest", name="refresh_tokens_digest"),)

    id: UUID = Field(primary_key=True)
    session_id: UUID = Field(foreign_key="sessions.id", ondelete="CASCADE", index=True)
    digest: bytes = Field(repr=False, sa_type=LargeBinary)
    sealed_successor: bytes | None = Field(default=None, repr=False, sa_type=LargeBinary)


class TotpFactorRow(TotpFactor, SQLModel, table=True):
    """`totp_factors`: one an account."""

    __tablename__: ClassVar[str] = "totp_factors"
    __table_args__ = (UniqueConstraint("account_id", name="totp_factors_account"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE")
    sealed_secret: bytes = Field(repr=False, sa_type=LargeBinary)
    last_step: int = Field(default=0, ge=0, sa_type=BigInteger)


class RecoveryCodeRow(RecoveryCode, SQLModel, table=True):
    """`recovery_codes`: used ones too, until the account gets new ones."""

    __tablename__: ClassVar[str] = "recovery_codes"
    __table_args__ = (UniqueConstraint("account_id", "digest", name="recovery_codes_digest"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE")
    digest: bytes = Field(repr=False, sa_type=LargeBinary)


class PasskeyRow(Passkey, SQLModel, table=True):
    """`passkeys`. A signature counter has 32 bits, unsigned."""

    __tablename__: ClassVar[str] = "passkeys"
    __table_args__ = (UniqueConstraint("credential_id", name="passkeys_credential"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)
    user_handle: bytes = Field(repr=False, max_length=64, sa_type=LargeBinary)
    credential_id: bytes = Field(max_length=1023, sa_type=LargeBinary)
    public_key: bytes = Field(sa_type=LargeBinary)
    sign_count: int = Field(ge=0, sa_type=BigInteger)
    transports: list[str] = Field(sa_type=ARRAY(Text))


class KnownDeviceRow(KnownDevice, SQLModel, table=True):
    """`known_devices`."""

    __tablename__: ClassVar[str] = "known_devices"
    __table_args__ = (UniqueConstraint("digest", name="known_devices_digest"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)
    digest: bytes = Field(repr=False, sa_type=LargeBinary)


class StoryRow(Story, SQLModel, table=True):
    """`stories`, in the order in which their account lists and counts them."""

    __tablename__: ClassVar[str] = "stories"
    __table_args__ = (
        UniqueConstraint("account_id", "idempotency_key", name="stories_idempotency_key"),
        Index("stories_of_account", "account_id", "requested_at", "id"),
        Index(
            "stories_unfinished",
            "account_id",
            postgresql_where=text("status IN ('queued', 'planning', 'writing')"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE")
    brief: StoryBrief = Field(sa_type=Document(StoryBrief))
    status: StoryStatus = Field(sa_type=Name(StoryStatus))
    seed: int = Field(ge=0, lt=2**63, sa_type=BigInteger)
    plan: StoryPlan | None = Field(default=None, sa_type=Document(StoryPlan))


class ChapterRow(Chapter, SQLModel, table=True):
    """`chapters`: finished ones only."""

    __tablename__: ClassVar[str] = "chapters"
    __table_args__ = (UniqueConstraint("story_id", "number", name="chapters_number"),)

    id: UUID = Field(primary_key=True)
    story_id: UUID = Field(foreign_key="stories.id", ondelete="CASCADE")
    text: str = Field(sa_type=Text)


class JobRow(Job, SQLModel, table=True):
    """`jobs`: the outbox. The partial indexes are as small as the work that waits.

    `budget` is how long the job may be tried, so that one which is revived gets as long again.
    """

    __tablename__: ClassVar[str] = "jobs"
    __table_args__ = (
        Index("jobs_live", "dedupe_key", "kind", unique=True, postgresql_where=LIVE_JOB),
        Index(
            "jobs_of_account",
            "account_id",
            "queue",
            "priority",
            "turn",
            postgresql_where=LIVE_JOB,
        ),
        Index("jobs_scheduled", "run_at", postgresql_where=SCHEDULED_JOB),
        Index("jobs_queued", "queue", "priority", "turn", "id", postgresql_where=QUEUED_JOB),
        Index("jobs_running", "lease_until", postgresql_where=RUNNING_JOB),
        Index("jobs_dead", "finished_at", "id", postgresql_where=DEAD_JOB),
        Index(
            "jobs_tick",
            "schedule",
            "scheduled_for",
            unique=True,
            postgresql_where=text("schedule IS NOT NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    task: dict[str, Any] = Field(sa_type=JSONB)
    queue: Queue = Field(sa_type=Name(Queue))
    priority: Priority = Field(sa_type=Number(Priority))
    turn: int = Field(sa_type=BigInteger)
    state: JobState = Field(sa_type=Name(JobState))
    budget: timedelta


class ScheduleRow(SQLModel, table=True):
    """`schedules`: when each is next due."""

    __tablename__: ClassVar[str] = "schedules"

    name: str = Field(primary_key=True, max_length=60)
    next_at: AwareDatetime


class ProviderSlotRow(SQLModel, table=True):
    """`provider_slots`: who may call a provider, and until when without saying so again.

    A slot is free that has no holder, or one whose time is up.
    """

    __tablename__: ClassVar[str] = "provider_slots"

    provider: str = Field(primary_key=True, max_length=60)
    number: int = Field(primary_key=True, ge=1)
    holder: UUID | None = None
    until: AwareDatetime | None = None


class DeliveryRow(Delivery, SQLModel, table=True):
    """`deliveries`: one for each event that owes a mail."""

    __tablename__: ClassVar[str] = "deliveries"
    __table_args__ = (UniqueConstraint("event_key", name="deliveries_event_key"),)

    id: UUID = Field(primary_key=True)
    kind: DeliveryKind = Field(sa_type=Name(DeliveryKind))
    account_id: UUID | None = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)
    status: DeliveryStatus = Field(sa_type=Name(DeliveryStatus))


class AuditRow(AuditEntry, SQLModel, table=True):
    """`audit_entries`: written by `audit_append` alone. They outlive their accounts."""

    __tablename__: ClassVar[str] = "audit_entries"
    __table_args__ = (
        UniqueConstraint("sequence", name="audit_entries_sequence"),
        Index("audit_entries_of_account", "account_id", "occurred_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    sequence: int = Field(ge=1, sa_type=BigInteger)
    act: Act = Field(sa_type=Name(Act))
    details_digest: bytes = Field(repr=False, sa_type=LargeBinary)
    previous: bytes = Field(repr=False, sa_type=LargeBinary)
    digest: bytes = Field(repr=False, sa_type=LargeBinary)


class AuditDetailsRow(AuditDetails, SQLModel, table=True):
    """`audit_details`: what can be forgotten of an entry."""

    __tablename__: ClassVar[str] = "audit_details"

    id: UUID = Field(primary_key=True, foreign_key="audit_entries.id")
    salt: bytes = Field(repr=False, sa_type=LargeBinary)
    detail: dict[str, str] = Field(sa_type=JSONB)


class SigningKeyRow(SigningKey, SQLModel, table=True):
    """`signing_keys`: the few that are alive."""

    __tablename__: ClassVar[str] = "signing_keys"
    __table_args__ = (UniqueConstraint("kid", name="signing_keys_kid"),)

    id: UUID = Field(primary_key=True)
    public_key: bytes = Field(sa_type=LargeBinary)
    sealed_private_key: bytes = Field(repr=False, sa_type=LargeBinary)


async def insert(session: AsyncSession, row: type[R], entity: Entity) -> R:
    """Store a copy of the entity and return it: what is changed on it later is stored too.

    Written at once, in the order of the calls, since keys of other tables point at it. Raises
    Taken where a unique value is there already.
    """
    stored = row(**dict(entity.model_copy(deep=True)))
    session.add(stored)
    try:
        await session.flush()
    except IntegrityError as error:
        raise_taken(error)
    return stored


def raise_taken(error: IntegrityError) -> NoReturn:
    """Raise Taken for a broken unique key, else the error itself.

    The cause is dropped: PostgreSQL's detail quotes the value, which may be an address.
    """
    if getattr(error.orig, "sqlstate", None) == UNIQUE_VIOLATION:
        cause = getattr(error.orig, "__cause__", None)
        raise Taken(getattr(cause, "constraint_name", "unique")) from None
    raise error
