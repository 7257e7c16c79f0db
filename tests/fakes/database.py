"""A database in memory: transactions, unique and foreign keys, leases and jobs like the real one.

Transactions run one after another. What a repository returns is saved when the transaction commits,
as with the real one; what is done to an entity after `add` has copied it, or after the commit, is
lost.
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from db.dossiers import SECTIONS, Section, assemble
from domain.accounts import Account, AccountStatus, Role
from domain.audit import GENESIS, Act, AuditDetails, AuditEntry, AuditRecord
from domain.deliveries import Delivery, DeliveryKind
from domain.devices import KnownDevice
from domain.entity import Entity
from domain.jobs import Job, JobState, Lease, Priority, Queue, Schedule, Task, Terms
from domain.passkeys import Passkey
from domain.second_factors import RecoveryCode, TotpFactor
from domain.sessions import Device, RefreshToken, Session
from domain.signing_keys import SigningKey
from domain.stories import Chapter, Story, StoryStatus
from tests.fakes.clock import FakeClock
from usecases.ports.jobs import JobQueue
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Dossier, LeaseLost, Taken
from usecases.tracing import request_id

E = TypeVar("E", bound=Entity)
LIVE = {JobState.SCHEDULED, JobState.QUEUED, JobState.RUNNING}


class NoSuchParent(Exception):  # noqa: N818 - what PostgreSQL calls a foreign key violation
    """A row points at one that is not there."""


class _Written(dict[UUID, E]):
    """Rows that nobody changes: a copy of the table has the same ones, however many they are."""

    def __deepcopy__(self, memo: object) -> "_Written[E]":
        return _Written(self)


@dataclass
class Tables:
    """Everything that is stored, by id."""

    accounts: dict[UUID, Account] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    tokens: dict[UUID, RefreshToken] = field(default_factory=dict)
    factors: dict[UUID, TotpFactor] = field(default_factory=dict)
    recovery_codes: dict[UUID, RecoveryCode] = field(default_factory=dict)
    passkeys: dict[UUID, Passkey] = field(default_factory=dict)
    devices: dict[UUID, KnownDevice] = field(default_factory=dict)
    stories: dict[UUID, Story] = field(default_factory=dict)
    chapters: dict[UUID, Chapter] = field(default_factory=dict)
    jobs: dict[UUID, Job] = field(default_factory=dict)
    budgets: dict[UUID, timedelta] = field(default_factory=dict)
    schedules: dict[str, datetime] = field(default_factory=dict)
    deliveries: dict[UUID, Delivery] = field(default_factory=dict)
    audit: dict[UUID, AuditEntry] = field(default_factory=_Written)
    audit_details: dict[UUID, AuditDetails] = field(default_factory=_Written)
    signing_keys: dict[UUID, SigningKey] = field(default_factory=dict)

    def check(self) -> None:
        """Raise Taken or NoSuchParent where a constraint of the real tables would be broken."""
        active = (a for a in self.accounts.values() if a.status is AccountStatus.ACTIVE)
        keyed = (s for s in self.stories.values() if s.idempotency_key is not None)
        live = (j for j in self.jobs.values() if j.state in LIVE)
        _unique("an active account's email", active, lambda row: row.email)
        _unique("a digest", self.tokens.values(), lambda row: row.digest)
        _unique("an account's app", self.factors.values(), lambda row: row.account_id)
        _unique(
            "a recovery code",
            self.recovery_codes.values(),
            lambda row: (row.account_id, row.digest),
        )
        _unique("a credential", self.passkeys.values(), lambda row: row.credential_id)
        _unique("an idempotency key", keyed, lambda row: (row.account_id, row.idempotency_key))
        _unique("a chapter", self.chapters.values(), lambda row: (row.story_id, row.number))
        _unique("a live job", live, lambda row: (row.kind, row.dedupe_key))
        ticked = (j for j in self.jobs.values() if j.schedule is not None)
        _unique("a tick", ticked, lambda row: (row.schedule, row.scheduled_for))
        _unique("a kid", self.signing_keys.values(), lambda row: row.kid)
        _unique("an event key", self.deliveries.values(), lambda row: row.event_key)
        _parents(
            "sessions.account_id", (s.account_id for s in self.sessions.values()), self.accounts
        )
        _parents(
            "refresh_tokens.session_id", (t.session_id for t in self.tokens.values()), self.sessions
        )
        _unique("a device's digest", self.devices.values(), lambda row: row.digest)
        for name in ("factors", "recovery_codes", "passkeys", "devices"):
            rows = getattr(self, name).values()
            _parents(f"{name}.account_id", (row.account_id for row in rows), self.accounts)
        _parents("stories.account_id", (s.account_id for s in self.stories.values()), self.accounts)
        _parents("chapters.story_id", (c.story_id for c in self.chapters.values()), self.stories)
        _parents(
            "deliveries.account_id", (d.account_id for d in self.deliveries.values()), self.accounts
        )


def _unique(what: str, rows: Iterable[E], key: Callable[[E], object]) -> None:
    keys = [key(row) for row in rows]
    if len(set(keys)) < len(keys):
        raise Taken(what)


def _parents(what: str, keys: Iterable[UUID | None], parents: dict[UUID, Any]) -> None:
    if any(key is not None and key not in parents for key in keys):
        raise NoSuchParent(what)


class FakeDatabase:
    """Implements `Database`. `tables` is what has been committed: look, but change nothing.

    Woken and called-off jobs are told to `queue`, if there is one, as the real one does.
    """

    def __init__(self, clock: Clock | None = None, queue: JobQueue | None = None) -> None:
        self.clock = clock or FakeClock()
        self.tables = Tables()
        self._queue = queue
        self._turn = asyncio.Lock()
        self._holder: asyncio.Task[Any] | None = None

    @property
    def audited(self) -> list[AuditRecord]:
        """The audit trail, oldest first."""
        details = self.tables.audit_details
        return [
            AuditRecord(entry=entry, details=details.get(entry.id))
            for entry in self.tables.audit.values()
        ]

    @property
    def acts(self) -> list[tuple[Act, UUID | None]]:
        """What was recorded, of whom, oldest first."""
        return [(entry.act, entry.account_id) for entry in self.tables.audit.values()]

    @asynccontextmanager
    async def begin(self, lease: Lease | None = None) -> AsyncIterator["FakeWork"]:
        async with self.alone():
            staged = deepcopy(self.tables)
            if lease is not None:
                held(staged, lease, self.clock.now())
            work = FakeWork(staged, self.clock)
            yield work
            staged.check()
            self._commit(staged)
        if self._queue is not None:
            if due := [job for job in work.jobs.added if job.state is JobState.QUEUED]:
                await self._queue.wake(deepcopy(due))
            if work.jobs.called_off:
                await self._queue.call_off(work.jobs.called_off)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Tables]:
        """Hold off all transactions. Raises RuntimeError in a task that is in one already."""
        if self._holder is asyncio.current_task():
            raise RuntimeError("this task is in a transaction already")
        async with self._turn:
            self._holder = asyncio.current_task()
            try:
                yield self.tables
            finally:
                self._holder = None

    def _commit(self, staged: Tables) -> None:
        for table in fields(Tables):
            setattr(self.tables, table.name, deepcopy(getattr(staged, table.name)))


def held(tables: Tables, lease: Lease, now: datetime) -> Job:
    """Return the job that the lease is for. Raises LeaseLost."""
    job = tables.jobs.get(lease.job_id)
    if (
        job is None
        or job.state is not JobState.RUNNING
        or job.lease_token != lease.token
        or job.lease_until is None
        or job.lease_until <= now
    ):
        raise LeaseLost
    return job


class FakeWork:
    """One transaction on a copy of the tables."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self.audit = FakeAudit(tables, clock)
        self.signing_keys = FakeSigningKeys(tables)
        self.accounts = FakeAccounts(tables)
        self.sessions = FakeSessions(tables)
        self.factors = FakeSecondFactors(tables)
        self.passkeys = FakePasskeys(tables)
        self.devices = FakeDevices(tables)
        self.dossiers = FakeDossiers(tables)
        self.stories = FakeStories(tables)
        self.jobs = FakeJobs(tables, clock)
        self.deliveries = FakeDeliveries(tables)


class FakeAudit:
    """The audit trail in memory, chained as the real one is."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def record(
        self,
        act: Act,
        account_id: UUID | None,
        *,
        session_id: UUID | None = None,
        device: Device | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        entries = self._tables.audit
        details = AuditDetails(
            id=uuid7(),
            salt=uuid7().bytes,
            client_address=device.client_address if device else "",
            user_agent=device.user_agent if device else "",
            detail=dict(detail or {}),
        )
        entry = AuditEntry(
            id=details.id,
            sequence=len(entries) + 1,
            act=act,
            account_id=account_id,
            session_id=session_id,
            occurred_at=self._clock.now(),
            details_digest=details.seal(),
            previous=next(reversed(entries.values())).digest if entries else GENESIS,
            digest=b"",
        )
        entry.digest = entry.expected_digest()
        entries[entry.id] = entry
        self._tables.audit_details[details.id] = details

    async def erase(self, account_id: UUID) -> None:
        erased = {e.id for e in self._tables.audit.values() if e.account_id == account_id}
        details = self._tables.audit_details
        self._tables.audit_details = _without(details, lambda row: row.id in erased)

    async def forget_strangers(self, before: datetime, limit: int) -> int:
        entries, accounts = self._tables.audit, self._tables.accounts

        def is_strangers(details: AuditDetails) -> bool:
            entry = entries[details.id]
            if entry.occurred_at >= before:
                return False
            if entry.account_id is None:
                return bool(details.client_address or details.user_agent)
            return entry.account_id not in accounts

        doomed = _some(self._tables.audit_details, is_strangers, limit)
        details = self._tables.audit_details
        self._tables.audit_details = _without(details, lambda row: row.id in doomed)
        return len(doomed)


class FakeSigningKeys:
    """The keys of the access tokens in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def all(self) -> list[SigningKey]:
        keys = self._tables.signing_keys.values()
        return sorted(keys, key=lambda key: (key.created_at, key.id))

    async def lock(self) -> list[SigningKey]:
        return await self.all()

    async def add(self, key: SigningKey) -> SigningKey:
        return _insert(self._tables, self._tables.signing_keys, key)

    async def remove(self, key: SigningKey) -> None:
        del self._tables.signing_keys[key.id]


class FakeAccounts:
    """Accounts in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, account: Account) -> Account:
        return _insert(self._tables, self._tables.accounts, account)

    async def get(self, account_id: UUID) -> Account | None:
        return self._tables.accounts.get(account_id)

    async def lock(self, account_id: UUID) -> Account | None:
        return self._tables.accounts.get(account_id)

    async def active_with_email(self, email: str) -> Account | None:
        return _first(a for a in self._with_email(email) if a.status is AccountStatus.ACTIVE)

    async def latest_pending_with_email(self, email: str) -> Account | None:
        pending = (a for a in self._with_email(email) if a.status is AccountStatus.PENDING)
        return max(pending, key=lambda a: (a.created_at, a.id), default=None)

    async def lock_email(self, email: str) -> None:
        """Nothing to hold off: transactions run one after another."""

    async def remove_pending_with_email(self, email: str, *, but: UUID) -> None:
        self._remove(
            {
                a.id
                for a in self._with_email(email)
                if a.status is AccountStatus.PENDING and a.id != but
            }
        )

    async def remove_pending_since(self, before: datetime, limit: int) -> int:
        doomed = _some(
            self._tables.accounts,
            lambda a: a.status is AccountStatus.PENDING and a.created_at < before,
            limit,
        )
        self._remove(doomed)
        return len(doomed)

    async def with_role(self, role: Role) -> list[Account]:
        found = (a for a in self._tables.accounts.values() if a.role is role)
        return sorted(found, key=lambda a: (a.created_at, a.id))

    async def leaving(self, due: datetime, limit: int) -> list[UUID]:
        found = [
            (account.deletion_due_at, account.id)
            for account in self._tables.accounts.values()
            if account.deletion_due_at is not None and account.deletion_due_at <= due
        ]
        return [key for _, key in sorted(found)][:limit]

    async def erase(self, account_id: UUID) -> None:
        self._remove({account_id})

    def _remove(self, doomed: set[UUID]) -> None:
        tables = self._tables
        tables.devices = _without(tables.devices, lambda row: row.account_id in doomed)
        tables.accounts = _without(tables.accounts, lambda row: row.id in doomed)
        tables.factors = _without(tables.factors, lambda row: row.account_id in doomed)
        tables.recovery_codes = _without(
            tables.recovery_codes, lambda row: row.account_id in doomed
        )
        tables.passkeys = _without(tables.passkeys, lambda row: row.account_id in doomed)
        tables.stories = _without(tables.stories, lambda row: row.account_id in doomed)
        tables.chapters = _without(tables.chapters, lambda row: row.story_id not in tables.stories)
        tables.sessions = _without(tables.sessions, lambda row: row.account_id in doomed)
        tables.tokens = _without(tables.tokens, lambda row: row.session_id not in tables.sessions)
        tables.deliveries = _without(tables.deliveries, lambda row: row.account_id in doomed)

    def _with_email(self, email: str) -> list[Account]:
        return [a for a in self._tables.accounts.values() if a.email == email]


class FakeSessions:
    """Sessions and refresh tokens in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, session: Session) -> Session:
        return _insert(self._tables, self._tables.sessions, session)

    async def add_token(self, token: RefreshToken) -> RefreshToken:
        return _insert(self._tables, self._tables.tokens, token)

    async def get(self, session_id: UUID) -> Session | None:
        return self._tables.sessions.get(session_id)

    async def lock(self, session_id: UUID) -> Session | None:
        return self._tables.sessions.get(session_id)

    async def lock_open(self, account_id: UUID) -> list[Session]:
        found = (s for s in self._tables.sessions.values() if s.ended_at is None)
        return sorted((s for s in found if s.account_id == account_id), key=lambda s: s.id)

    async def has_others(self, account_id: UUID, *, but: UUID) -> bool:
        sessions = self._tables.sessions.values()
        return any(s.account_id == account_id and s.id != but for s in sessions)

    async def token_with_digest(self, digest: bytes) -> RefreshToken | None:
        return _first(t for t in self._tables.tokens.values() if t.digest == digest)

    async def token(self, token_id: UUID) -> RefreshToken | None:
        return self._tables.tokens.get(token_id)

    async def remove_over(self, before: datetime, idle: timedelta, limit: int) -> int:
        doomed = _some(
            self._tables.sessions,
            lambda s: min(s.ended_at or s.expires_at, s.ends_at(idle)) < before,
            limit,
        )
        tables = self._tables
        tables.sessions = _without(tables.sessions, lambda row: row.id in doomed)
        tables.tokens = _without(tables.tokens, lambda row: row.session_id in doomed)
        return len(doomed)

    async def remove_expired_tokens(self, before: datetime, limit: int) -> int:
        doomed = _some(self._tables.tokens, lambda token: token.expires_at < before, limit)
        self._tables.tokens = _without(self._tables.tokens, lambda row: row.id in doomed)
        return len(doomed)


class FakeSecondFactors:
    """Authenticator apps and recovery codes in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, factor: TotpFactor) -> TotpFactor:
        return _insert(self._tables, self._tables.factors, factor)

    async def of_account(self, account_id: UUID) -> TotpFactor | None:
        return _first(f for f in self._tables.factors.values() if f.account_id == account_id)

    async def remove(self, account_id: UUID) -> None:
        factors = self._tables.factors
        self._tables.factors = _without(factors, lambda row: row.account_id == account_id)
        await self.replace_recovery_codes(account_id, [])

    async def replace_recovery_codes(self, account_id: UUID, codes: Sequence[RecoveryCode]) -> None:
        kept = self._tables.recovery_codes
        self._tables.recovery_codes = _without(kept, lambda row: row.account_id == account_id)
        for code in codes:
            _insert(self._tables, self._tables.recovery_codes, code)

    async def recovery_code(self, account_id: UUID, digest: bytes) -> RecoveryCode | None:
        codes = self._tables.recovery_codes.values()
        return _first(c for c in codes if (c.account_id, c.digest) == (account_id, digest))


class FakePasskeys:
    """Passkeys in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, passkey: Passkey) -> Passkey:
        return _insert(self._tables, self._tables.passkeys, passkey)

    async def get(self, passkey_id: UUID) -> Passkey | None:
        return self._tables.passkeys.get(passkey_id)

    async def with_credential(self, credential_id: bytes) -> Passkey | None:
        passkeys = self._tables.passkeys.values()
        return _first(p for p in passkeys if p.credential_id == credential_id)

    async def of_account(self, account_id: UUID) -> list[Passkey]:
        mine = (p for p in self._tables.passkeys.values() if p.account_id == account_id)
        return sorted(mine, key=lambda passkey: passkey.id)

    async def remove(self, passkey: Passkey) -> None:
        del self._tables.passkeys[passkey.id]


class FakeDevices:
    """Known devices in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, device: KnownDevice) -> KnownDevice:
        return _insert(self._tables, self._tables.devices, device)

    async def with_digest(self, account_id: UUID | None, digest: bytes) -> KnownDevice | None:
        devices = self._tables.devices.values()
        return _first(d for d in devices if (d.account_id, d.digest) == (account_id, digest))

    async def of_account(self, account_id: UUID) -> list[KnownDevice]:
        mine = [d for d in self._tables.devices.values() if d.account_id == account_id]
        return sorted(mine, key=lambda d: (d.last_used_at, d.id), reverse=True)

    async def remove(self, device_ids: Sequence[UUID]) -> None:
        self._tables.devices = _without(self._tables.devices, lambda row: row.id in device_ids)

    async def remove_all(self, account_id: UUID) -> None:
        devices = self._tables.devices
        self._tables.devices = _without(devices, lambda row: row.account_id == account_id)


TABLE_OF = {
    "refresh_tokens": "tokens",
    "known_devices": "devices",
    "totp_factors": "factors",
    "audit_entries": "audit",
}
"""What the tables are called here that have another name in PostgreSQL."""


class FakeDossiers:
    """What is kept of an account, in memory: by the sections of the real one."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of_account(self, account_id: UUID) -> Dossier:
        return assemble([(section, self._rows(section, account_id)) for section in SECTIONS])

    async def exports_since(self, account_id: UUID, since: datetime) -> list[datetime]:
        return [
            entry.occurred_at
            for entry in self._tables.audit.values()
            if (entry.account_id, entry.act) == (account_id, Act.DATA_EXPORTED)
            and entry.occurred_at > since
        ]

    def _rows(self, section: Section, account_id: UUID) -> list[Mapping[str, Any]]:
        owners = {account_id}
        if section.parent is not None:
            parents = self._table(section.parent)
            owners = {key for key, row in parents.items() if row.account_id == account_id}
        rows = self._table(section.table).values()
        return [dict(row) for row in rows if getattr(row, section.key) in owners]

    def _table(self, name: str) -> dict[UUID, Any]:
        table: dict[UUID, Any] = getattr(self._tables, TABLE_OF.get(name, name))
        return table


class FakeStories:
    """Stories and chapters in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, story: Story) -> Story:
        return _insert(self._tables, self._tables.stories, story)

    async def get(self, story_id: UUID) -> Story | None:
        return self._tables.stories.get(story_id)

    async def lock(self, story_id: UUID) -> Story | None:
        return self._tables.stories.get(story_id)

    async def with_idempotency_key(self, account_id: UUID, key: str) -> Story | None:
        return _first(s for s in self._of(account_id) if s.idempotency_key == key)

    async def requests_since(self, account_id: UUID, since: datetime) -> list[datetime]:
        return sorted(
            story.requested_at
            for story in self._of(account_id)
            if story.requested_at >= since and story.status is not StoryStatus.FAILED
        )

    async def count_unfinished(self, account_id: UUID) -> int:
        return sum(not s.status.is_end for s in self._of(account_id))

    async def add_chapter(self, chapter: Chapter) -> Chapter:
        return _insert(self._tables, self._tables.chapters, chapter)

    async def chapters(self, story_id: UUID) -> list[Chapter]:
        mine = (c for c in self._tables.chapters.values() if c.story_id == story_id)
        return sorted(mine, key=lambda chapter: chapter.number)

    def _of(self, account_id: UUID) -> list[Story]:
        return [s for s in self._tables.stories.values() if s.account_id == account_id]


class FakeJobs:
    """The outbox in memory."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self.added: list[Job] = []
        self.called_off: list[UUID] = []

    async def add(
        self,
        task: Task,
        *,
        account_id: UUID | None = None,
        run_at: datetime | None = None,
        key: str | None = None,
        priority: Priority | None = None,
    ) -> Job:
        key = task.key if key is None else key
        if (alive := self._live(task.terms.kind, key)) is not None:
            return alive
        job = promised(
            self._tables,
            self._clock.now(),
            task,
            key=key,
            account_id=account_id,
            run_at=run_at,
            priority=priority,
        )
        self.added.append(job)
        return job

    async def report(self, lease: Lease, progress: int, total: int) -> None:
        job = held(self._tables, lease, self._clock.now())
        job.progress, job.progress_total = progress, total

    async def revive(self, job_id: UUID) -> Job | None:
        job = self._tables.jobs.get(job_id)
        if job is None or job.state is not JobState.DEAD:
            return None
        now = self._clock.now()
        _wait_again(job, _floor(self._tables, job))
        job.attempt, job.finished_at = 0, None
        job.run_at = job.woken_at = now
        job.deadline = now + self._tables.budgets[job_id]
        self._tables.check()
        self.added.append(job)
        return job

    async def discard(self, job_id: UUID) -> Job | None:
        job = self._tables.jobs.get(job_id)
        if job is None or job.state is not JobState.DEAD:
            return None
        job.state, job.finished_at = JobState.CANCELED, self._clock.now()
        return job

    async def cancel(self, kind: type[Task], key: str) -> None:
        if (alive := self._live(kind.terms.kind, key)) is not None:
            self._cancel([alive])

    async def cancel_all(self, account_id: UUID) -> None:
        jobs = self._tables.jobs.values()
        self._cancel([job for job in jobs if job.account_id == account_id and job.state in LIVE])

    async def remove_all(self, account_id: UUID) -> None:
        self._tables.jobs = _without(self._tables.jobs, lambda row: row.account_id == account_id)

    def _cancel(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.called_off.append(job.id)
            job.state, job.finished_at = JobState.CANCELED, self._clock.now()
            job.lease_token = job.lease_until = None

    async def remove_finished(self, before: datetime, limit: int) -> int:
        over = {JobState.DONE, JobState.CANCELED}
        doomed = _some(
            self._tables.jobs,
            lambda j: j.state in over and j.finished_at is not None and j.finished_at < before,
            limit,
        )
        self._tables.jobs = _without(self._tables.jobs, lambda row: row.id in doomed)
        return len(doomed)

    def _live(self, kind: str, key: str) -> Job | None:
        jobs = self._tables.jobs.values()
        return _first(j for j in jobs if (j.kind, j.dedupe_key) == (kind, key) and j.state in LIVE)


def promised(
    tables: Tables,
    now: datetime,
    task: Task,
    *,
    key: str,
    account_id: UUID | None = None,
    run_at: datetime | None = None,
    priority: Priority | None = None,
    schedule: str | None = None,
    scheduled_for: datetime | None = None,
) -> Job:
    """Store a job, and return it."""
    terms = task.terms
    is_due = run_at is None or run_at <= now
    job = Job(
        kind=terms.kind,
        version=terms.version,
        task=task.model_dump(mode="json"),
        queue=terms.queue,
        priority=terms.priority if priority is None else priority,
        dedupe_key=key,
        account_id=account_id,
        request_id=request_id.get(),
        schedule=schedule,
        scheduled_for=scheduled_for,
        state=JobState.QUEUED if is_due else JobState.SCHEDULED,
        created_at=now,
        run_at=run_at or now,
        deadline=(run_at or now) + terms.retry.budget,
        woken_at=now if is_due else None,
    )
    of_account = [j.turn for j in _rivals(tables, job, LIVE) if j.account_id == account_id]
    job.turn = max([_floor(tables, job), *(turn + 1 for turn in of_account)])
    tables.budgets[job.id] = terms.retry.budget
    return _insert(tables, tables.jobs, job)


def claim_order(job: Job) -> tuple[Priority, int, UUID]:
    """Return what the jobs of a queue are sorted by."""
    return job.priority, job.turn, job.id


def _rivals(tables: Tables, job: Job, states: set[JobState]) -> list[Job]:
    there = (job.queue, job.priority)
    jobs = tables.jobs.values()
    return [j for j in jobs if (j.queue, j.priority) == there and j.state in states]


def _floor(tables: Tables, job: Job) -> int:
    waiting = [j.turn for j in _rivals(tables, job, {JobState.QUEUED})]
    running = [j.turn for j in _rivals(tables, job, {JobState.RUNNING})]
    return min(waiting) if waiting else max(running, default=0)


def _wait_again(job: Job, floor: int) -> None:
    job.turn = max(job.turn, floor)
    job.state, job.woken_at = JobState.QUEUED, None
    job.lease_token = job.lease_until = None


class FakeDeliveries:
    """Owed mails in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, delivery: Delivery) -> Delivery:
        return _insert(self._tables, self._tables.deliveries, delivery)

    async def get(self, delivery_id: UUID) -> Delivery | None:
        return self._tables.deliveries.get(delivery_id)

    async def with_event(self, event_key: str) -> Delivery | None:
        return _first(d for d in self._tables.deliveries.values() if d.event_key == event_key)

    async def remove_to(self, recipients: Sequence[str]) -> None:
        deliveries = self._tables.deliveries
        self._tables.deliveries = _without(deliveries, lambda row: row.recipient in recipients)

    async def owed_since(
        self, account_id: UUID, kinds: Collection[DeliveryKind], since: datetime
    ) -> list[datetime]:
        return sorted(
            d.created_at
            for d in self._tables.deliveries.values()
            if d.account_id == account_id and d.kind in kinds and d.created_at > since
        )

    async def remove_decoys(self, before: datetime, limit: int) -> int:
        doomed = _some(
            self._tables.deliveries,
            lambda d: d.account_id is None and d.failed_at is not None and d.failed_at < before,
            limit,
        )
        self._tables.deliveries = _without(self._tables.deliveries, lambda row: row.id in doomed)
        return len(doomed)


class FakeJobDesk:
    """Implements `JobDesk` on a FakeDatabase; time passes on its clock."""

    def __init__(
        self,
        database: FakeDatabase,
        lease: timedelta = timedelta(seconds=30),
        wake_again: timedelta = timedelta(seconds=1),
    ) -> None:
        self._database, self._lease, self._wake_again = database, lease, wake_again

    async def claim(self, queue: Queue, known: Sequence[Terms]) -> tuple[Job, Lease] | None:
        async with self._database.alone() as tables:
            if (job := _first(_queued(tables, queue, known))) is None:
                return None
            job.state, job.attempt = JobState.RUNNING, job.attempt + 1
            job.lease_token = uuid4()
            job.lease_until = self._database.clock.now() + self._lease
            lease = Lease(
                job_id=job.id,
                token=job.lease_token,
                attempt=job.attempt,
                until=job.lease_until,
                time_left=job.deadline - self._database.clock.now(),
            )
            return job.model_copy(deep=True), lease

    async def renew(self, lease: Lease) -> Lease:
        async with self._job(lease) as job:
            job.lease_until = self._database.clock.now() + self._lease
            return lease.model_copy(update={"until": job.lease_until})

    async def finish(self, lease: Lease) -> None:
        async with self._job(lease) as job:
            self._end(job, JobState.DONE)

    async def retry(self, lease: Lease, after: timedelta, error: str) -> None:
        async with self._job(lease) as job:
            job.state, job.woken_at = JobState.SCHEDULED, None
            job.run_at = self._database.clock.now() + after
            job.lease_token = job.lease_until = None
            job.last_error = error

    async def bury(self, lease: Lease, error: str) -> None:
        async with self._job(lease) as job:
            self._end(job, JobState.DEAD)
            job.last_error = error

    async def release(self, lease: Lease) -> None:
        async with self._job(lease) as job:
            _wait_again(job, _floor(self._database.tables, job))
            job.attempt -= 1

    async def due(self, limit: int, known: Sequence[Terms]) -> list[Job]:
        async with self._database.alone() as tables:
            now = self._database.clock.now()
            back = [j for j in tables.jobs.values() if _has_come(j, now) or _is_silent(j, now)]
            for job, floor in [(job, _floor(tables, job)) for job in back]:
                _wait_again(job, floor)
            woken = [
                job
                for queue in sorted(Queue)
                for job in _queued(tables, queue, known)[:limit]
                if job.woken_at is None or job.woken_at < now - self._wake_again
            ]
            for job in woken:
                job.woken_at = now
            return deepcopy(woken)

    async def tick(self, schedules: Sequence[Schedule]) -> list[Job]:
        added = []
        async with self._database.alone() as tables:
            now = self._database.clock.now()
            for schedule in schedules:
                upcoming = schedule.next_after(now)
                if tables.schedules.get(schedule.name, upcoming) <= now:
                    passed = upcoming - schedule.every
                    key = f"{schedule.name}@{passed.isoformat()}"
                    added.append(
                        promised(
                            tables,
                            now,
                            schedule.task,
                            key=key,
                            schedule=schedule.name,
                            scheduled_for=passed,
                        )
                    )
                tables.schedules[schedule.name] = upcoming
        return deepcopy(added)

    @asynccontextmanager
    async def _job(self, lease: Lease) -> AsyncIterator[Job]:
        async with self._database.alone() as tables:
            yield held(tables, lease, self._database.clock.now())

    def _end(self, job: Job, state: JobState) -> None:
        job.state, job.finished_at = state, self._database.clock.now()
        job.lease_token = job.lease_until = None


def _queued(tables: Tables, queue: Queue, known: Sequence[Terms]) -> list[Job]:
    kinds = {(terms.kind, terms.version) for terms in known}
    waiting = [
        job
        for job in tables.jobs.values()
        if job.queue is queue and job.state is JobState.QUEUED and (job.kind, job.version) in kinds
    ]
    return sorted(waiting, key=claim_order)


def _has_come(job: Job, now: datetime) -> bool:
    return job.state is JobState.SCHEDULED and job.run_at <= now


def _is_silent(job: Job, now: datetime) -> bool:
    if job.state is not JobState.RUNNING or job.lease_until is None:
        return False
    return job.lease_until <= now


class FakeJobQueue:
    """Implements `JobQueue`: remembers whom it woke and whom it called off."""

    def __init__(self) -> None:
        self.woken: list[Job] = []
        self.called_off: list[UUID] = []

    async def wake(self, jobs: Sequence[Job]) -> None:
        self.woken.extend(jobs)

    async def call_off(self, job_ids: Sequence[UUID]) -> None:
        self.called_off.extend(job_ids)


def _insert(tables: Tables, table: dict[UUID, E], row: E) -> E:
    if row.id in table:
        raise Taken("an id")
    stored = table[row.id] = row.model_copy(deep=True)
    tables.check()
    return stored


def _without(table: dict[UUID, E], doomed: Callable[[E], bool]) -> dict[UUID, E]:
    return {key: row for key, row in table.items() if not doomed(row)}


def _some(table: dict[UUID, E], wanted: Callable[[E], bool], limit: int) -> set[UUID]:
    return set([key for key, row in table.items() if wanted(row)][:limit])


def _first(rows: Iterable[E]) -> E | None:
    return next(iter(rows), None)
