"""The truth: one transaction of the database, and what is in it."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from domain.accounts import Account, Role
from domain.audit import Act
from domain.deliveries import Delivery, DeliveryKind
from domain.devices import KnownDevice
from domain.jobs import Job, Lease, Priority, Task
from domain.passkeys import Passkey
from domain.second_factors import (
    RecoveryCode,
    TotpFactor,
)
from domain.sessions import Device, RefreshToken, Session
from domain.signing_keys import SigningKey
from domain.stories import Chapter, Story


class Accounts(Protocol):
    """Accounts in this transaction."""

    async def add(self, account: Account) -> Account: ...
    async def get(self, account_id: UUID) -> Account | None: ...
    async def lock(self, account_id: UUID) -> Account | None:
        """Read an account and hold off every other transaction that locks it."""
        ...

    async def active_with_email(self, email: str) -> Account | None: ...
    async def latest_pending_with_email(self, email: str) -> Account | None: ...
    async def lock_email(self, email: str) -> None:
        """Hold off every other transaction that locks this address, until this one ends."""
        ...

    async def remove_pending_with_email(self, email: str, *, but: UUID) -> None: ...
    async def with_role(self, role: Role) -> list[Account]:
        """Return the accounts with this role, oldest first."""
        ...

    async def leaving(self, due: datetime, limit: int) -> list[UUID]:
        """Return accounts whose time of grace was over then, closed ones too, oldest first."""
        ...

    async def erase(self, account_id: UUID) -> None:
        """Remove an account and everything that is its own; its jobs must be removed before."""
        ...

    async def remove_pending_since(self, before: datetime, limit: int) -> int:
        """Remove accounts that have not proven their address since then; tell how many."""
        ...


class Sessions(Protocol):
    """Sessions and their refresh tokens in this transaction."""

    async def add(self, session: Session) -> Session: ...
    async def add_token(self, token: RefreshToken) -> RefreshToken: ...
    async def get(self, session_id: UUID) -> Session | None: ...
    async def lock(self, session_id: UUID) -> Session | None:
        """Read a session and hold it, so that rotation and log-out cannot cross."""
        ...

    async def lock_open(self, account_id: UUID) -> list[Session]:
        """Read the account's sessions that were not ended, and hold them as `lock` does."""
        ...

    async def has_others(self, account_id: UUID, *, but: UUID) -> bool:
        """Whether the account has, or had, sessions but this one."""
        ...

    async def token_with_digest(self, digest: bytes) -> RefreshToken | None: ...
    async def token(self, token_id: UUID) -> RefreshToken | None: ...
    async def remove_over(self, before: datetime, idle: timedelta, limit: int) -> int:
        """Remove sessions whose end was before that moment, and tell how many there were.

        A session that was not used for `idle` has ended. With it go its tokens.
        """
        ...

    async def remove_expired_tokens(self, before: datetime, limit: int) -> int:
        """Remove refresh tokens that expired before that moment, and tell how many there were."""
        ...


class SecondFactors(Protocol):
    """Authenticator apps and recovery codes in this transaction: lock the account first."""

    async def add(self, factor: TotpFactor) -> TotpFactor:
        """Store the account's app. Raises Taken when it has one."""
        ...

    async def of_account(self, account_id: UUID) -> TotpFactor | None: ...
    async def remove(self, account_id: UUID) -> None:
        """Remove the app and all recovery codes of the account."""
        ...

    async def replace_recovery_codes(self, account_id: UUID, codes: Sequence[RecoveryCode]) -> None:
        """Store these in the place of all that the account had."""
        ...

    async def recovery_code(self, account_id: UUID, digest: bytes) -> RecoveryCode | None: ...


class Passkeys(Protocol):
    """Passkeys in this transaction: lock the account before you change one."""

    async def add(self, passkey: Passkey) -> Passkey:
        """Store a passkey. Raises Taken when the credential is known already, whosever it is."""
        ...

    async def get(self, passkey_id: UUID) -> Passkey | None: ...
    async def with_credential(self, credential_id: bytes) -> Passkey | None:
        """Read a passkey as it is now."""
        ...

    async def of_account(self, account_id: UUID) -> list[Passkey]:
        """Return the account's passkeys, oldest first."""
        ...

    async def remove(self, passkey: Passkey) -> None: ...


class Devices(Protocol):
    """Known devices in this transaction: lock the account before you change one."""

    async def add(self, device: KnownDevice) -> KnownDevice: ...
    async def with_digest(self, account_id: UUID | None, digest: bytes) -> KnownDevice | None:
        """Return the account's device with this token; without an account it is looked up too."""
        ...

    async def of_account(self, account_id: UUID) -> list[KnownDevice]:
        """Return the account's devices, those last used first."""
        ...

    async def remove(self, device_ids: Sequence[UUID]) -> None: ...
    async def remove_all(self, account_id: UUID) -> None:
        """Forget the account's devices."""
        ...


class Stories(Protocol):
    """Stories and chapters in this transaction."""

    async def add(self, story: Story) -> Story: ...
    async def get(self, story_id: UUID) -> Story | None: ...
    async def lock(self, story_id: UUID) -> Story | None:
        """Read a story and hold it against every other writer."""
        ...

    async def with_idempotency_key(self, account_id: UUID, key: str) -> Story | None: ...
    async def requests_since(self, account_id: UUID, since: datetime) -> list[datetime]:
        """Return when stories were asked for, oldest first; those that failed do not count."""
        ...

    async def count_unfinished(self, account_id: UUID) -> int: ...
    async def add_chapter(self, chapter: Chapter) -> Chapter: ...
    async def chapters(self, story_id: UUID) -> list[Chapter]: ...


class Jobs(Protocol):
    """The outbox in this transaction: promised here, woken once it has committed."""

    async def add(
        self,
        task: Task,
        *,
        account_id: UUID | None = None,
        run_at: datetime | None = None,
        key: str | None = None,
        priority: Priority | None = None,
    ) -> Job:
        """Promise a task; while a job of its kind and key waits or runs, that one is returned.

        `key` and `priority` stand in for those that the task declares.
        """
        ...

    async def cancel(self, kind: type[Task], key: str) -> None:
        """Cancel the job of that key; its lease, where it has one, is worth nothing from then on.

        Do it before you lock any other row: workers hold their job before they lock a story, and
        two who wait for each other crosswise wait in vain.
        """
        ...

    async def report(self, lease: Lease, progress: int, total: int) -> None:
        """Note how many steps of the job's work are done."""
        ...

    async def revive(self, job_id: UUID) -> Job | None:
        """Queue a dead letter again, with all its tries; None where there is no such dead letter.

        Raises Taken where another job of its kind and key waits or runs.
        """
        ...

    async def discard(self, job_id: UUID) -> Job | None:
        """Cancel a dead letter, so that it goes the way of finished jobs; None as for `revive`."""
        ...

    async def cancel_all(self, account_id: UUID) -> None:
        """Cancel the account's jobs, as `cancel` does."""
        ...

    async def remove_all(self, account_id: UUID) -> None:
        """Remove the account's jobs, whatever has become of them."""
        ...

    async def remove_finished(self, before: datetime, limit: int) -> int:
        """Remove jobs that were done or cancelled before that moment; tell how many.

        Dead letters stay: somebody must look at them.
        """
        ...


class Deliveries(Protocol):
    """Mails that are owed, in this transaction."""

    async def add(self, delivery: Delivery) -> Delivery:
        """Owe a mail. Raises Taken when one is owed for this event already."""
        ...

    async def get(self, delivery_id: UUID) -> Delivery | None: ...
    async def with_event(self, event_key: str) -> Delivery | None: ...
    async def remove_to(self, recipients: Sequence[str]) -> None:
        """Remove all mails to these addresses, those to nobody's account too."""
        ...

    async def owed_since(
        self, account_id: UUID, kinds: Collection[DeliveryKind], since: datetime
    ) -> list[datetime]:
        """Return when the account was owed mails of these kinds, oldest first."""
        ...

    async def remove_decoys(self, before: datetime, limit: int) -> int:
        """Remove mails that were owed to nobody, and given up before then; tell how many."""
        ...


class AuditTrail(Protocol):
    """The audit trail in this transaction: an act is recorded with what it did, or not at all."""

    async def record(
        self,
        act: Act,
        account_id: UUID | None,
        *,
        session_id: UUID | None = None,
        device: Device | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Append an entry. `detail` holds no secret, no code and no whole address."""
        ...

    async def erase(self, account_id: UUID) -> None:
        """Forget the details of all that was recorded of an account: devices and what changed.

        Its entries stay, under an id that is nobody's any more. What this transaction records of
        the account is forgotten too.
        """
        ...

    async def forget_strangers(self, before: datetime, limit: int) -> int:
        """Forget the details of what somebody without an account did before then; tell how many.

        That is who never had one, and whose account is gone: what operators do is nobody's too,
        but names no device.
        """
        ...


Dossier = dict[str, list[dict[str, Any]]]
"""Everything that is kept of an account but secrets: rows by section, parts within their wholes."""


class Dossiers(Protocol):
    """What is kept of an account, in this transaction."""

    async def of_account(self, account_id: UUID) -> Dossier: ...
    async def exports_since(self, account_id: UUID, since: datetime) -> list[datetime]:
        """Return when its data was exported, oldest first, as the audit trail knows it."""
        ...


class SigningKeys(Protocol):
    """The keys of the access tokens, in this transaction; oldest first."""

    async def all(self) -> list[SigningKey]: ...
    async def lock(self) -> list[SigningKey]:
        """Read them, and hold off everybody else who would change them, even if there are none."""
        ...

    async def add(self, key: SigningKey) -> SigningKey: ...
    async def remove(self, key: SigningKey) -> None: ...


class Work(Protocol):
    """One transaction."""

    @property
    def audit(self) -> AuditTrail: ...
    @property
    def signing_keys(self) -> SigningKeys: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def factors(self) -> SecondFactors: ...
    @property
    def passkeys(self) -> Passkeys: ...
    @property
    def devices(self) -> Devices: ...
    @property
    def dossiers(self) -> Dossiers: ...
    @property
    def stories(self) -> Stories: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def deliveries(self) -> Deliveries: ...


class Database(Protocol):
    """The only place that commits."""

    def begin(self, lease: Lease | None = None) -> AbstractAsyncContextManager[Work]:
        """Open a transaction: it commits at the end of the block, or rolls back on any exception.

        With a lease, the block runs only while the lease holds, and no other worker can take the
        job until the transaction has ended. Raises LeaseLost otherwise.
        """
        ...


class LeaseLost(Exception):  # noqa: N818 - not an error: another worker has the job, or nobody
    """The job was cancelled or taken over: stop, and write nothing."""


class Taken(Exception):  # noqa: N818 - an answer: another transaction was faster
    """A value that must be unique is taken: an active address, an idempotency key, a digest.

    Raised by `add`, or by the end of the transaction; nothing of the transaction is kept.
    """
