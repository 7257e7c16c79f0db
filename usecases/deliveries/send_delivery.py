"""Send a mail that is owed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from loguru import logger

from domain.accounts import Account
from domain.codes import Challenge
from domain.deliveries import CODE_MAILS, Delivery, DeliveryKind, DeliveryStatus
from domain.jobs import Lease, Queue, RetryPolicy, Task, Terms
from domain.refusals import CodeExpired, UpstreamUnavailable
from domain.sessions import Session
from domain.stories import Chapter, Story
from usecases.ports.jobs import Retry
from usecases.ports.mail import Letters, Mail, Mailer, MailFault, TextMessage, TextMessages
from usecases.ports.secrets import Codes
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work

if TYPE_CHECKING:
    from loguru import Logger  # exists in the stubs only

PAUSES = (5, 60, 5 * 60, 15 * 60, 60 * 60)
"""Seconds before each next try of a story or a notice; the last one repeats until it expires.

The first is short: most faults of a mail server are over in a moment.
"""

CODE_PAUSES = (2, 5, 15, 30)
"""The same for a code: somebody sits and waits for it, and it is soon worth nothing."""

TWICE = "Mail may come twice"
"""What the log says where a mail goes out again that may have been taken."""


@dataclass(frozen=True, slots=True)
class CodeDraft:
    """A mail that will carry a code, once it is drawn."""

    delivery: Delivery
    challenge: Challenge


@dataclass(frozen=True, slots=True)
class StoryDraft:
    """A mail that will carry a story."""

    delivery: Delivery
    reader: Account
    story: Story
    chapters: Sequence[Chapter]


@dataclass(frozen=True, slots=True)
class NoticeDraft:
    """A mail that tells of something that happened to an account."""

    delivery: Delivery
    reader: Account
    session: Session | None = None


Draft = CodeDraft | StoryDraft | NoticeDraft


class SendDeliveryTask(Task):
    """Send this mail. It knows when it expires, so its tries are more than it will ever need."""

    terms: ClassVar[Terms] = Terms(
        kind="send_delivery",
        queue=Queue.MAIL,
        retry=RetryPolicy(attempts=50),
        timeout=timedelta(minutes=5),
        unique_by=("delivery_id",),
    )
    delivery_id: UUID


@dataclass(frozen=True, slots=True)
class SendDelivery:
    """Sends a mail once: running it again finds it sent.

    Exactly once does not exist (RFC 1047). Where nobody knows whether the server took the mail, a
    story goes out again under the same Message-ID, and a code does not: its reader asks for
    another. A code is drawn here and now, so that no row and no job ever holds one.
    """

    database: Database
    codes: Codes
    letters: Letters
    mailer: Mailer
    texts: TextMessages
    clock: Clock

    async def __call__(self, delivery_id: UUID, lease: Lease) -> None:
        """Send it. Raises Retry to be called again, and LeaseLost when the job is not ours."""
        async with self.database.begin(lease) as work:
            draft = await self._due(work, delivery_id)
        if draft is None:
            return
        message = await self._compose(draft)
        async with self.database.begin(lease) as work:
            delivery = await work.deliveries.get(delivery_id)
            if delivery is None:
                return
            delivery.begin()
        try:
            await self._hand_over(message)
        except MailFault as fault:
            await self._missed(delivery_id, lease, fault)
        else:
            await self._sent(delivery_id, lease)

    async def _due(self, work: Work, delivery_id: UUID) -> Draft | None:
        """Return what is to be sent; None, with the reason noted, where nothing is."""
        delivery = await work.deliveries.get(delivery_id)
        if delivery is None or delivery.is_over:
            return None
        now = self.clock.now()
        if delivery.is_code and delivery.status is DeliveryStatus.SENDING:
            reason = "interrupted while it was sent: a code is not sent twice"
        elif delivery.expires_at <= now:
            reason = "expired before it was sent"
        elif draft := await _draft(work, delivery):
            if delivery.status is DeliveryStatus.SENDING:
                _log(delivery).bind(ambiguous=True).warning(TWICE)
            return draft
        else:
            reason = "what it was about is gone or settled"
        delivery.fail(now, reason)
        _log(delivery).warning("Mail given up: {}", reason)
        return None

    async def _hand_over(self, message: Mail | TextMessage) -> None:
        if isinstance(message, TextMessage):
            await self.texts.send(message)
        else:
            await self.mailer.send(message)

    async def _compose(self, draft: Draft) -> Mail | TextMessage:
        match draft:
            case CodeDraft(delivery, challenge):
                code = await self._draw(challenge)
                minutes = _minutes(challenge.expires_at - self.clock.now())
                if delivery.kind is DeliveryKind.PHONE_CODE:
                    return self.letters.phone_code(delivery, code, minutes)
                return self.letters.code(delivery, code, minutes)
            case StoryDraft(delivery, reader, story, chapters):
                return self.letters.story_ready(delivery, reader, story, chapters)
            case NoticeDraft(delivery, _, Session() as session):
                return self.letters.new_device(delivery, session)
            case NoticeDraft(Delivery(kind=DeliveryKind.DELETION_REQUESTED) as delivery, reader):
                return self.letters.deletion_requested(delivery, reader)
            case NoticeDraft(delivery):
                return self.letters.notice(delivery)

    async def _draw(self, challenge: Challenge) -> str:
        try:
            return await self.codes.issue(challenge)
        except (UpstreamUnavailable, CodeExpired) as refusal:
            # An expired one is noted as such by the next attempt.
            raise Retry(f"no code drawn: {refusal.code}", after=CODE_PAUSES[0]) from refusal

    async def _sent(self, delivery_id: UUID, lease: Lease) -> None:
        async with self.database.begin(lease) as work:
            if delivery := await work.deliveries.get(delivery_id):
                delivery.sent(self.clock.now())
                _log(delivery).info("Mail sent")

    async def _missed(self, delivery_id: UUID, lease: Lease, fault: MailFault) -> None:
        """Note that it was not taken. Raises Retry unless this was the last try."""
        async with self.database.begin(lease) as work:
            delivery = await work.deliveries.get(delivery_id)
            if delivery is None:
                return
            log = _log(delivery).bind(smtp_status=fault.status, ambiguous=fault.ambiguous)
            if fault.alarming:
                log.error("The mail server turns this service away")
            error = f"ambiguous: {fault.detail}" if fault.ambiguous else fault.detail
            now, pause = self.clock.now(), _pause(delivery)
            hopeless = fault.permanent or (fault.ambiguous and delivery.is_code)
            if hopeless or delivery.expires_at <= now + pause:
                delivery.fail(now, error)
                log.warning("Mail given up")
                return
            if fault.ambiguous:
                log.warning(TWICE)
            delivery.put_back(error)
        raise Retry(f"mail not taken: {fault.status or 'no answer'}", after=pause.total_seconds())


async def _draft(work: Work, delivery: Delivery) -> Draft | None:
    """Gather what the mail is about; None where it is gone, or needs no mail any more."""
    reader = await work.accounts.get(delivery.account_id) if delivery.account_id else None
    if reader is None:
        return None
    match delivery.kind, delivery.subject_id:
        case DeliveryKind.STORY_READY, subject_id:
            return await _story_draft(work, delivery, reader, subject_id)
        case kind, UUID() as challenge_id if kind in CODE_MAILS:
            return await _code_draft(work, delivery, reader, challenge_id)
        case DeliveryKind.NEW_DEVICE, subject_id:
            session = await work.sessions.get(subject_id) if subject_id else None
            return NoticeDraft(delivery, reader, session) if session else None
        case DeliveryKind.DELETION_REQUESTED, _ if not reader.is_leaving:
            return None
    return NoticeDraft(delivery, reader)


async def _story_draft(
    work: Work, delivery: Delivery, reader: Account, story_id: UUID | None
) -> StoryDraft | None:
    story = await work.stories.get(story_id) if story_id else None
    if story is None:
        return None
    return StoryDraft(delivery, reader, story, await work.stories.chapters(story.id))


async def _code_draft(
    work: Work, delivery: Delivery, reader: Account, challenge_id: UUID
) -> CodeDraft | NoticeDraft | None:
    """Gather what a code needs. For an address that has an owner, its owner is told instead."""
    # Only a new account still has to prove its address; other codes are for proven ones.
    if reader.is_active == (delivery.kind is DeliveryKind.SIGN_UP_CODE):
        return None
    if delivery.kind is DeliveryKind.EMAIL_CHANGE_CODE and await work.accounts.active_with_email(
        delivery.recipient
    ):
        delivery.kind = DeliveryKind.ADDRESS_WANTED
        return NoticeDraft(delivery, reader)
    return CodeDraft(delivery, _challenge(delivery, challenge_id))


def _challenge(delivery: Delivery, challenge_id: UUID) -> Challenge:
    """Rebuild the challenge from the row, so that a code can be drawn though Redis forgot it."""
    return Challenge(
        id=challenge_id,
        purpose=CODE_MAILS[delivery.kind],
        email=delivery.recipient,
        account_id=delivery.account_id,
        resend_at=delivery.created_at,
        expires_at=delivery.expires_at,
    )


def _pause(delivery: Delivery) -> timedelta:
    pauses = CODE_PAUSES if delivery.is_code else PAUSES
    return timedelta(seconds=pauses[min(delivery.attempts, len(pauses)) - 1])


def _minutes(left: timedelta) -> int:
    """Round to whole minutes, at least one."""
    return max(1, round(left / timedelta(minutes=1)))


def _log(delivery: Delivery) -> "Logger":
    """Bind what a line may say of a mail: its address only as a hash."""
    about_story = delivery.kind is DeliveryKind.STORY_READY and delivery.subject_id is not None
    return logger.bind(
        **({"story_id": str(delivery.subject_id)} if about_story else {}),
        delivery_id=str(delivery.id),
        delivery_kind=delivery.kind.value,
        delivery_attempt=delivery.attempts,
        recipient=sha256(delivery.recipient.encode()).hexdigest()[:12],
    )
