"""What the use cases need of the world, in their own words."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from domain.accounts import Account
from domain.audit import Act, AuditRecord
from domain.briefs import StoryBrief
from domain.codes import Challenge, CodePurpose
from domain.deliveries import Delivery, DeliveryKind
from domain.devices import KnownDevice
from domain.events import Cursor, Recorded, StoryEvent
from domain.jobs import Job, Lease, Task
from domain.lockouts import Guess
from domain.passkeys import Assertion, NewPasskey, Passkey, PasskeyInvitation
from domain.second_factors import (
    LogInTicket,
    RecoveryCode,
    SecondFactor,
    TotpFactor,
    TotpSecret,
)
from domain.sessions import AccessClaims, Device, RefreshToken, Session
from domain.signing_keys import SigningKey
from domain.stories import Chapter, Story, StoryPlan, StoryStatus, TokenUsage

# --- time and chance ------------------------------------------------------------------------------


class Clock(Protocol):
    """Tells the time, in UTC."""

    def now(self) -> datetime: ...


class Randomness(Protocol):
    """Chance that nobody can guess."""

    def seed(self) -> int:
        """Return a story's seed, 0 <= seed < 2**63."""
        ...


# --- the truth: one transaction of the database ---------------------------------------------------


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
        dedupe_key: str,
        account_id: UUID | None = None,
        run_at: datetime | None = None,
    ) -> Job:
        """Promise a task; while a job of its kind and key waits or runs, that one is returned."""
        ...

    async def cancel(self, dedupe_key: str) -> None:
        """Cancel the task's job; its lease, where it has one, is worth nothing from then on.

        Do it before you lock any other row: workers hold their job before they lock a story, and
        two who wait for each other crosswise wait in vain.
        """
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
        self, account_id: UUID, kind: DeliveryKind, since: datetime
    ) -> list[datetime]:
        """Return when the account was owed mails of this kind, oldest first."""
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


# --- plain reads ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoriesPage:
    """Which of an account's stories are wanted: newest first or oldest first, at most `limit`.

    `after` is the (requested_at, id) of the last story of the page before. Who wants to know
    whether there are more asks for one more than is shown.
    """

    account_id: UUID
    limit: int
    after: tuple[datetime, UUID] | None = None
    statuses: Sequence[StoryStatus] = ()
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class PlaceInLine:
    """A queued story and how many are before it: `place` 1 is next."""

    story_id: UUID
    account_id: UUID
    place: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Which of an account's audit records are wanted: newest first, at most `limit`.

    `after` is the (occurred_at, id) of the last entry of the page before.
    """

    account_id: UUID
    limit: int
    after: tuple[datetime, UUID] | None = None


class Reads(Protocol):
    """Queries without rules, for the edge: each call is one statement, and changes are not kept.

    What is not found is left out. Only `story`, `stories_of` and `audit_of` check the owner.
    """

    async def accounts(self, account_ids: Sequence[UUID]) -> dict[UUID, Account]: ...
    async def session(self, session_id: UUID) -> Session | None: ...
    async def sessions_of(self, account_id: UUID) -> list[Session]:
        """Return the account's sessions that were not ended, newest used first."""
        ...

    async def second_factor(self, account_id: UUID) -> SecondFactor | None: ...
    async def passkeys(self, passkey_ids: Sequence[UUID]) -> dict[UUID, Passkey]: ...
    async def passkeys_of(self, account_id: UUID) -> list[Passkey]:
        """Return the account's passkeys, oldest first."""
        ...

    async def story(self, account_id: UUID, story_id: UUID) -> Story | None: ...
    async def stories(self, story_ids: Sequence[UUID]) -> dict[UUID, Story]: ...
    async def stories_of(self, page: StoriesPage) -> list[Story]: ...
    async def count_stories_of(self, page: StoriesPage) -> int:
        """Count the stories that all pages of this kind have together."""
        ...

    async def chapters(self, story_ids: Sequence[UUID]) -> dict[UUID, list[Chapter]]:
        """Return the stored chapters of each story, by number; a story without any has []."""
        ...

    async def places(self, story_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Return the place in line of those of the stories that wait."""
        ...

    async def line(self) -> list[PlaceInLine]:
        """Return all stories that wait for a worker, next first."""
        ...

    async def audit_of(self, page: AuditPage) -> list[AuditRecord]:
        """Return a page of what was recorded of an account, newest first."""
        ...

    async def audit_trail(self, after: int, limit: int) -> list[AuditRecord]:
        """Return what follows the entry with that sequence, of whomever, oldest first."""
        ...


# --- accounts -------------------------------------------------------------------------------------


class Passwords(Protocol):
    """Hashes passwords, away from the event loop."""

    async def hash(self, password: str) -> str: ...
    async def verify(self, password: str, digest: str | None) -> bool:
        """Check a password; without a digest it takes as long, and is False."""
        ...

    def is_outdated(self, digest: str) -> bool:
        """Whether a hash was made with weaker parameters than today's."""
        ...


class Codes(Protocol):
    """One-time codes. Only their MACs are kept, and only for as long as they live.

    All raise UpstreamUnavailable where their store does not answer.
    """

    async def open(self, purpose: CodePurpose, email: str, account_id: UUID | None) -> Challenge:
        """Open a challenge. Raises RateLimited when the address had too many codes lately."""
        ...

    async def reopen(self, challenge_id: UUID) -> Challenge:
        """Ask for another code to an open challenge; the one before is void.

        Raises CodeExpired, RateLimited or CodeAttemptsExceeded.
        """
        ...

    async def current(self, purpose: CodePurpose, account_id: UUID) -> Challenge | None:
        """Return the account's open challenge."""
        ...

    async def find(self, challenge_id: UUID, purpose: CodePurpose) -> Challenge:
        """Return an open challenge for this purpose. Raises CodeExpired."""
        ...

    async def issue(self, challenge: Challenge) -> str:
        """Draw the code that answers the challenge, in the place of any drawn before.

        A challenge that was forgotten is kept again. Raises CodeExpired when its time is over.
        """
        ...

    async def redeem(self, challenge_id: UUID, purpose: CodePurpose, code: str) -> Challenge:
        """Use up a code. Raises CodeInvalid, CodeExpired or CodeAttemptsExceeded."""
        ...


class AccessTokens(Protocol):
    """The format of access tokens, in one place.

    Both raise UpstreamUnavailable where the keys cannot be learned.
    """

    async def sign(self, claims: AccessClaims) -> str: ...
    async def read(self, token: str) -> AccessClaims:
        """Check a token. Raises TokenExpired or Unauthenticated."""
        ...


class Locksmith(Protocol):
    """Makes keys of access tokens, and seals them under a secret that the database never sees."""

    def make(self, *, created_at: datetime, signs_from: datetime) -> SigningKey: ...
    def opens(self, key: SigningKey) -> bool:
        """Whether it was sealed under our secret, and is whole."""
        ...


class RefreshTokens(Protocol):
    """The format of refresh tokens."""

    def draw(self) -> str:
        """Return 256 random bits as text."""
        ...

    def digest(self, token: str) -> bytes: ...
    def seal(self, successor: str, *, under: str) -> bytes:
        """Encrypt a successor so that only the bearer of the token `under` can have it again."""
        ...

    def unseal(self, sealed: bytes, *, under: str) -> str: ...


class DeviceNames(Protocol):
    """Tells devices in words."""

    def name(self, user_agent: str) -> str:
        """Return what a user agent says of itself, like "Firefox on Linux"."""
        ...


class Places(Protocol):
    """Tells roughly where an address is."""

    def near(self, address: str) -> str:
        """Return a country, a kind of network, or the address without its last part."""
        ...


# --- second factors and passkeys ------------------------------------------------------------------


class TotpCodes(Protocol):
    """Time-based one-time codes (RFC 6238). Their secrets are seen here only."""

    def draw(self, account: Account) -> TotpSecret:
        """Draw a secret for the account's app."""
        ...

    def step(self, factor: TotpFactor, code: str) -> int | None:
        """Return the newest time step around now that the code is right for."""
        ...


class RecoveryCodes(Protocol):
    """The format of recovery codes."""

    def draw(self) -> str: ...
    def digest(self, account_id: UUID, code: str) -> bytes:
        """Return what is stored of it; the same however people write it down."""
        ...


class FactorTries(Protocol):
    """Counts wrong codes by account. Both raise UpstreamUnavailable when nobody can tell."""

    async def take(self, account_id: UUID) -> int:
        """Count a try, before its code is looked at; return how many are left after it.

        Raises SecondFactorLocked when there was none left.
        """
        ...

    async def forget(self, account_id: UUID) -> None:
        """Begin anew, after a right code."""
        ...


class LogInTickets(Protocol):
    """Log-ins that still owe their second factor. All raise UpstreamUnavailable."""

    async def issue(self, ticket: LogInTicket) -> tuple[str, datetime]:
        """Return the text that stands for the ticket, and when it is void."""
        ...

    async def show(self, text: str) -> tuple[LogInTicket, int]:
        """Use up a try; return the ticket and the tries left. Raises LogInTicketRejected."""
        ...

    async def redeem(self, text: str) -> None:
        """Use the ticket up: one caller can. Raises LogInTicketRejected for all others."""
        ...


class PasskeyChallenges(Protocol):
    """What authenticators are asked to sign, each once. All raise UpstreamUnavailable."""

    async def open(self, invitation: PasskeyInvitation | None) -> bytes:
        """Draw a challenge to register a passkey by, or without an invitation to log in by."""
        ...

    async def redeem(self, challenge: bytes) -> PasskeyInvitation | None:
        """Use a challenge up, and return the invitation it was for.

        Raises CeremonyFailed for one that is unknown, expired or used.
        """
        ...


class PasskeyCeremonies(Protocol):
    """The two ceremonies of WebAuthn. Options and responses are its JSON, as browsers have them.

    Whatever is wrong with a response raises CeremonyFailed.
    """

    def draw_user_handle(self) -> bytes: ...
    def creation_options(
        self, account: Account, user_handle: bytes, challenge: bytes, held: Sequence[Passkey]
    ) -> Mapping[str, object]:
        """Return what a browser needs to make a passkey, on no authenticator that holds one."""
        ...

    def request_options(self, challenge: bytes) -> Mapping[str, object]:
        """Return what a browser needs to log in with whichever passkey its owner chooses."""
        ...

    def challenge_of(self, response: object) -> bytes:
        """Return the challenge that a response says it answers; nothing is checked yet."""
        ...

    def credential_of(self, response: object) -> bytes:
        """Return the id of the credential that a response claims; nothing is checked yet."""
        ...

    def register(self, response: object, challenge: bytes) -> NewPasskey:
        """Check what an authenticator made."""
        ...

    def verify(self, response: object, challenge: bytes, passkey: Passkey) -> Assertion:
        """Check a signature; the counter is the caller's to judge."""
        ...


class CeremonyFailed(Exception):  # noqa: N818 - an answer
    """A response is malformed, or does not prove what it should. The text is for the log."""


# --- the ends of sessions -------------------------------------------------------------------------


class DeviceTokens(Protocol):
    """The format of the tokens that devices are known by."""

    def draw(self) -> str:
        """Return 256 random bits as text."""
        ...

    def digest(self, token: str) -> bytes: ...


class SessionEnds(Protocol):
    """Tells every process at once that a session has ended: its sockets close, its tokens fail."""

    async def announce(self, session_id: UUID) -> None:
        """Make it known; again does no harm. Raises UpstreamUnavailable."""
        ...

    async def has_ended(self, session_id: UUID) -> bool | None:
        """Whether it has ended; None where this cannot be told: ask the database then."""
        ...

    def ended(self, session_id: UUID) -> AbstractAsyncContextManager[asyncio.Event]:
        """Watch a session: the event is set within moments of its end, or at once after it."""
        ...


# --- limits ---------------------------------------------------------------------------------------


class Traces(Protocol):
    """What the fast store keeps of an account."""

    async def erase(self, account_id: UUID, contacts: Sequence[str]) -> int:
        """Remove it and return how many things there were. Raises UpstreamUnavailable.

        `contacts` are the addresses and numbers that codes and limits are kept by.
        """
        ...


class Lockout(Protocol):
    """How often somebody may guess at an account's secrets.

    All raise UpstreamUnavailable where their store does not answer.
    """

    async def admit(self, guess: Guess) -> int:
        """Count a guess, before it is checked; return how many more may follow.

        So no more than the allowed ones are ever checked, however many come at once. Raises
        AccountLocked, and then the guess is not counted.
        """
        ...

    async def lift(self, guess: Guess) -> None:
        """Forget the guesses from this place: one of them was right."""
        ...

    async def lift_all(self, email: str) -> None:
        """Forget all guesses at the account with this address: its owner has a new password."""
        ...


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a caller: `remaining` of `limit` at once, all of it in `reset_seconds`.

    `retry_after` is None where the request was granted, else the seconds until the next may be.
    """

    limit: int
    remaining: int
    reset_seconds: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: it holds `burst` tokens and gets `per_minute` of them back.

    `tokens` are to be taken at once. Who wants more than it holds takes all that it holds.
    """

    key: str
    burst: int
    per_minute: int
    tokens: int = 1


class RateLimiter(Protocol):
    """Token buckets that all processes share."""

    async def take(self, *buckets: Bucket) -> Sequence[Allowance]:
        """Take from all of the buckets or, where one holds too little, from none of them.

        Returns an allowance a bucket. Raises LimitsUnknown when nobody can tell.
        """
        ...


class SocketCounts(Protocol):
    """How many sockets a network or an account has in all processes together."""

    async def claim(self, holder: str, most: int) -> bool:
        """Count a socket more of the holder, unless it has the most already; tell which.

        While the other processes cannot be asked, only those of this one are counted.
        """
        ...

    async def release(self, holder: str) -> None:
        """Count a socket less."""
        ...


class LimitsUnknown(Exception):  # noqa: N818 - an answer
    """The buckets cannot be reached: what security hangs on must be refused."""


# --- storytelling ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a storyteller must know to write one chapter."""

    brief: StoryBrief
    plan: StoryPlan
    seed: int
    number: int
    told: Sequence[Chapter]


class Storyteller(Protocol):
    """Writes stories. Raises StorytellerFault for all that goes wrong."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    async def plan(self, brief: StoryBrief, seed: int) -> tuple[StoryPlan, TokenUsage]: ...
    def tell(self, assignment: Assignment) -> AsyncGenerator[str | TokenUsage, None]:
        """Write a chapter: its text as it comes, then what it used, once, at the end.

        Closing the iterator early, or cancelling the task that reads, ends the paid request.
        """
        ...


class StorytellerFault(Exception):  # noqa: N818 - reads as what it is
    """A storyteller could not do it.

    `permanent` faults are not tried again; `blocked` ones are about content. `message` is for the
    story's owner, `detail` for the log: neither holds story text.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        detail: str = "",
        permanent: bool = False,
        blocked: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail or message}")
        self.code = code
        self.message = message
        self.permanent = permanent
        self.blocked = blocked
        self.retry_after = retry_after


# --- live events ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LiveText:
    """What the log knows of a story right after the event at `cursor`.

    `chapters` are complete, and in the database. `text` is the chapter that is being told, as far
    as it was told; `chapter` is its number, 0 between two chapters.
    """

    cursor: Cursor
    chapters: int = 0
    chapter: int = 0
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """A log that can be followed: one story's, or all stories of an account."""

    account_id: UUID
    story_id: UUID | None = None


class CursorLost(Exception):  # noqa: N818 - an answer
    """The log cannot go on from this cursor without a gap."""


class LogAway(Exception):  # noqa: N818 - an answer
    """The log does not answer at the moment: what it knows, nobody can tell."""


class FollowerTooSlow(Exception):  # noqa: N818 - an answer
    """The follower takes its events too slowly: it must come again with its last cursor."""


class EventWriter(Protocol):
    """The pen of one attempt. It alone numbers the attempt's events, from 1 and without a gap."""

    async def append(self, event: StoryEvent) -> Cursor | None:
        """Record the next event, in the story's log and in its account's in one step.

        None when the log took it not: it is down (the event keeps its number, so that followers
        see the gap), has ended, or has gone over to another attempt. Never raises for that.
        """
        ...


class EventLog(Protocol):
    """Live events: appended first, then announced. A copy for speed; its loss is survivable."""

    def writer(self, story: Topic, epoch: int, chapters: int = 0) -> EventWriter:
        """Begin an epoch of a story of which so many `chapters` are stored."""
        ...

    async def append(self, story: Topic, epoch: int, event: StoryEvent) -> Cursor | None:
        """Record an event in an epoch that somebody else writes: a new place, an end.

        None and no exception when the log took it not, as with a writer.
        """
        ...

    async def live(self, story: Topic) -> LiveText | None:
        """Return the unfinished text and its place, or None for an empty log. Raises LogAway."""
        ...

    async def position(self, account: Topic) -> Cursor:
        """Return the place of an account's newest event, or the beginning of its log.

        Raises LogAway.
        """
        ...

    def follow(self, topic: Topic, after: Cursor) -> AsyncGenerator[Recorded | None, None]:
        """Yield each event after the cursor, without gap or repetition, for ever.

        Listens first, then reads, then follows. None is a silence: the caller may look whether the
        truth has moved on without the log. Raises CursorLost where the log cannot go on gaplessly,
        FollowerTooSlow where too much has piled up.
        """
        ...


# --- mail -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, ready to be sent; `date` and `message_id` stay the same when it is sent again.

    `language` is a BCP 47 tag.
    """

    message_id: str
    date: datetime
    recipient: str
    subject: str
    language: str
    text: str
    html: str


class Mailer(Protocol):
    """Sends mail. Raises MailFault."""

    async def send(self, mail: Mail) -> None: ...


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message, ready to be sent; `recipient` is a number in E.164."""

    message_id: str
    date: datetime
    recipient: str
    text: str


class TextMessages(Protocol):
    """Sends text messages. Raises MailFault, as a mailer does."""

    async def send(self, message: TextMessage) -> None: ...


class MailFault(Exception):  # noqa: N818 - reads as what it is
    """A mail was not taken.

    `permanent`: the server will never take it. `ambiguous`: it may have taken it all the same.
    `alarming`: the operator must do something about it. `status` is what the server answered
    ("550 5.7.1"), empty where it did not. `detail` may hold the server's words, but no address.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: str = "",
        permanent: bool = False,
        ambiguous: bool = False,
        alarming: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.permanent = permanent
        self.ambiguous = ambiguous
        self.alarming = alarming


class Letters(Protocol):
    """Writes mails from templates, escaped."""

    def code(self, delivery: Delivery, code: str, valid_minutes: int) -> Mail: ...
    def notice(self, delivery: Delivery) -> Mail:
        """Write a mail that says the same to everybody."""
        ...

    def phone_code(self, delivery: Delivery, code: str, valid_minutes: int) -> TextMessage: ...
    def new_device(self, delivery: Delivery, session: Session) -> Mail: ...
    def deletion_requested(self, delivery: Delivery, reader: Account) -> Mail: ...
    def story_ready(
        self, delivery: Delivery, reader: Account, story: Story, chapters: Sequence[Chapter]
    ) -> Mail: ...


# --- jobs -----------------------------------------------------------------------------------------


class JobDesk(Protocol):
    """Where workers take jobs and bring them back. Each call is a transaction of its own."""

    async def claim(self, job_id: UUID) -> tuple[Job, Lease] | None:
        """Take a job that is due, or whose worker's lease ran out; None when there is nothing."""
        ...

    async def renew(self, lease: Lease) -> Lease:
        """Hold on to it for another while. Raises LeaseLost."""
        ...

    async def finish(self, lease: Lease) -> None:
        """Record that it is done. Raises LeaseLost."""
        ...

    async def retry(self, lease: Lease, at: datetime, error: str) -> None:
        """Have it tried again at `at`. Raises LeaseLost."""
        ...

    async def bury(self, lease: Lease, error: str) -> None:
        """Make it a dead letter, not tried again by itself. Raises LeaseLost."""
        ...

    async def release(self, lease: Lease, *, until: datetime | None = None) -> None:
        """Hand it back untried, for now or for later, as a worker does that must stop.

        Raises LeaseLost.
        """
        ...

    async def due(self, limit: int) -> list[Job]:
        """Return jobs that wait for a worker and were not woken lately, noting that they are now.

        Relays that ask at once get different jobs.
        """
        ...

    def promised(self) -> AsyncGenerator[None, None]:
        """Yield at once, and again whenever a commit may have made a job due.

        Raises ConnectionError where it cannot listen any more.
        """
        ...


class JobQueue(Protocol):
    """Wakes workers. A lost wake-up costs time, never a job."""

    async def wake(self, jobs: Sequence[Job]) -> None: ...
    async def call_off(self, job_ids: Sequence[UUID]) -> None:
        """Tell the worker that runs one of these to stop now."""
        ...


class Retry(Exception):  # noqa: N818 - an instruction
    """A job's attempt failed for a passing reason: try again, `after` seconds from now if given."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after
