"""What the use cases need of the world, in their own words."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.accounts import Account
from domain.briefs import StoryBrief
from domain.codes import Challenge, CodePurpose
from domain.deliveries import Delivery
from domain.events import Cursor, Recorded, StoryEvent
from domain.jobs import Job, Lease, Task
from domain.sessions import AccessClaims, RefreshToken, Session
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


class Sessions(Protocol):
    """Sessions and their refresh tokens in this transaction."""

    async def add(self, session: Session) -> Session: ...
    async def add_token(self, token: RefreshToken) -> RefreshToken: ...
    async def get(self, session_id: UUID) -> Session | None: ...
    async def lock(self, session_id: UUID) -> Session | None:
        """Read a session and hold it, so that rotation and log-out cannot cross."""
        ...

    async def token_with_digest(self, digest: bytes) -> RefreshToken | None: ...
    async def token(self, token_id: UUID) -> RefreshToken | None: ...


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


class Deliveries(Protocol):
    """Mails that are owed, in this transaction."""

    async def add(self, delivery: Delivery) -> Delivery:
        """Owe a mail. Raises Taken when one is owed for this event already."""
        ...

    async def get(self, delivery_id: UUID) -> Delivery | None: ...


class Work(Protocol):
    """One transaction."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def sessions(self) -> Sessions: ...
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


class Reads(Protocol):
    """Queries without rules, for the edge: each call is one statement, and changes are not kept.

    What is not found is left out. Only `story` and `stories_of` check the owner.
    """

    async def accounts(self, account_ids: Sequence[UUID]) -> dict[UUID, Account]: ...
    async def session(self, session_id: UUID) -> Session | None: ...
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

    async def issue(self, challenge: Challenge) -> str:
        """Draw the code that answers the challenge, in the place of any drawn before.

        A challenge that was forgotten is kept again. Raises CodeExpired when its time is over.
        """
        ...

    async def redeem(self, challenge_id: UUID, purpose: CodePurpose, code: str) -> Challenge:
        """Use up a code. Raises CodeInvalid, CodeExpired or CodeAttemptsExceeded."""
        ...


class AccessTokens(Protocol):
    """The format of access tokens, in one place."""

    def sign(self, claims: AccessClaims) -> str: ...
    def read(self, token: str) -> AccessClaims:
        """Check a token. Raises TokenExpired or Unauthenticated."""
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


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a caller: `remaining` of `limit` at once, all of it in `reset_seconds`.

    `retry_after` is None where the request was granted, else the seconds until the next may be.
    """

    limit: int
    remaining: int
    reset_seconds: int
    retry_after: int | None = None


class RateLimiter(Protocol):
    """Token buckets that all processes share."""

    async def take(self, key: str, *, burst: int, per_minute: int) -> Allowance:
        """Take one token of the key's bucket. Raises LimitsUnknown when nobody can tell."""
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

    def sign_up_code(self, delivery: Delivery, code: str, valid_minutes: int) -> Mail: ...
    def address_in_use(self, delivery: Delivery) -> Mail: ...
    def session_revoked(self, delivery: Delivery) -> Mail: ...
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
