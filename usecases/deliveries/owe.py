"""Promise a mail: its row and its job, in the transaction of the event it tells of."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from loguru import logger
from uuid_utils.compat import uuid7

from domain.accounts import Account
from domain.codes import Challenge, CodePurpose
from domain.deliveries import CODE_MAILS, Delivery, DeliveryKind
from domain.jobs import Priority
from domain.refusals import RateLimited
from domain.sessions import Session
from domain.stories import Story
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Work

PATIENCE = timedelta(hours=24)
"""For how long a mail that is no code is tried (the house's rule for mail faults)."""

KINDS = {purpose: kind for kind, purpose in CODE_MAILS.items()}
"""Which mail carries the code for which purpose."""

A_DAY = timedelta(days=1)

CODES_A_DAY = 10
"""Codes that an account may have sent to strangers in a day, each purpose by itself."""

TO_STRANGERS = {
    CodePurpose.EMAIL_CHANGE: {DeliveryKind.EMAIL_CHANGE_CODE, DeliveryKind.ADDRESS_WANTED},
    CodePurpose.PHONE: {DeliveryKind.PHONE_CODE},
}
"""The codes that go where the account says, which may be anybody's, and what becomes of them."""

NOTICES_A_DAY = 20
"""Notices of one kind that an account gets in a day: who read so many has been told."""


def last_mail_key(account_id: UUID) -> str:
    """Name the event of an account's closing."""
    return f"account:{account_id}:closed"


def _event(account: Account, kind: DeliveryKind) -> str:
    """Name an event that is like no other."""
    return f"account:{account.id}:{kind}:{uuid7()}"


@dataclass(frozen=True, slots=True)
class OweMail:
    """Adds deliveries to the caller's transaction: they are sent once it has committed.

    `sender_domain` is the domain of the address that mails come from; Message-IDs end with it.
    """

    clock: Clock
    sender_domain: str

    async def story_ready(self, work: Work, story: Story, account: Account) -> None:
        """Owe the account its finished story."""
        await self._owe(
            work,
            DeliveryKind.STORY_READY,
            account,
            event_key=f"story:{story.id}:ready",
            recipient=account.email,
            subject_id=story.id,
        )

    async def code(self, work: Work, challenge: Challenge, account: Account | None) -> None:
        """Owe the code that answers the challenge; each reopening of it is an event of its own.

        A code that is still owed for it is not sent any more: of two mails in a mailbox nobody
        could tell which one holds the code that is right. Without an account the mail is owed all
        the same, and given up when its turn comes: so a decoy costs what a real challenge costs.

        Raises RateLimited for the account that had too many sent to others. Lock it before, or two
        at once may pass together.
        """
        if account and challenge.purpose in TO_STRANGERS:
            await self._check_codes(work, account, TO_STRANGERS[challenge.purpose])
        key = f"challenge:{challenge.id}:code"
        await work.jobs.cancel(SendDeliveryTask, key)
        await self._owe(
            work,
            KINDS[challenge.purpose],
            account,
            event_key=f"{key}:{challenge.resend_at.isoformat()}",
            recipient=challenge.email,
            subject_id=challenge.id,
            expires_at=challenge.expires_at,
            key=key,
            priority=Priority.URGENT,
        )

    async def address_in_use(self, work: Work, account: Account) -> None:
        """Owe the owner of an address the news that somebody signed up with it again."""
        # Counted with the codes of the address already, so that it takes as long as one of them.
        kind = DeliveryKind.ADDRESS_IN_USE
        await self._owe(
            work, kind, account, event_key=_event(account, kind), recipient=account.email
        )

    async def notice(
        self, work: Work, kind: DeliveryKind, account: Account, *, recipient: str | None = None
    ) -> None:
        """Owe the account a mail that says the same to everybody; each call is an event.

        It goes to the account's address of now, or to `recipient`. Of one kind the account gets so
        many a day, and no more.
        """
        await self._tell(
            work,
            kind,
            account,
            event_key=_event(account, kind),
            recipient=recipient or account.email,
        )

    async def session_revoked(self, work: Work, account: Account, session: Session) -> None:
        """Owe the account the warning that a refresh token of the session was used twice."""
        await self._tell(
            work,
            DeliveryKind.SESSION_REVOKED,
            account,
            event_key=f"session:{session.id}:revoked",
            recipient=account.email,
            subject_id=session.id,
        )

    async def new_device(self, work: Work, account: Account, session: Session) -> None:
        """Owe the account the news that a session began on a device that nobody knew."""
        await self._tell(
            work,
            DeliveryKind.NEW_DEVICE,
            account,
            event_key=f"session:{session.id}:new_device",
            recipient=account.email,
            subject_id=session.id,
        )

    async def account_closed(self, work: Work, account: Account) -> None:
        """Owe the account the last mail that it gets."""
        await self._owe(
            work,
            DeliveryKind.ACCOUNT_CLOSED,
            account,
            event_key=last_mail_key(account.id),
            recipient=account.email,
        )

    async def _check_codes(
        self, work: Work, account: Account, kinds: Collection[DeliveryKind]
    ) -> None:
        now = self.clock.now()
        times = await work.deliveries.owed_since(account.id, kinds, now - A_DAY)
        if len(times) >= CODES_A_DAY:
            free_in = times[-CODES_A_DAY] + A_DAY - now
            raise RateLimited(retry_after=int(free_in.total_seconds()) + 1)

    async def _tell(
        self,
        work: Work,
        kind: DeliveryKind,
        account: Account,
        *,
        event_key: str,
        recipient: str,
        subject_id: UUID | None = None,
    ) -> None:
        """Owe a notice, unless the account had plenty of its kind: a mailbox is not to be flooded.

        What happened is in the audit trail all the same.
        """
        day = self.clock.now() - A_DAY
        if len(await work.deliveries.owed_since(account.id, {kind}, day)) >= NOTICES_A_DAY:
            logger.bind(user_id=str(account.id), delivery_kind=kind.value).warning(
                "Notice left out: its kind was mailed often enough for a day"
            )
            return
        await self._owe(
            work, kind, account, event_key=event_key, recipient=recipient, subject_id=subject_id
        )

    async def _owe(
        self,
        work: Work,
        kind: DeliveryKind,
        account: Account | None,
        *,
        event_key: str,
        recipient: str,
        subject_id: UUID | None = None,
        expires_at: datetime | None = None,
        key: str | None = None,
        priority: Priority | None = None,
    ) -> None:
        now = self.clock.now()
        delivery_id = uuid7()
        await work.deliveries.add(
            Delivery(
                id=delivery_id,
                kind=kind,
                event_key=event_key,
                account_id=account.id if account else None,
                recipient=recipient,
                subject_id=subject_id,
                message_id=f"<{delivery_id}@{self.sender_domain}>",
                created_at=now,
                expires_at=expires_at or now + PATIENCE,
            )
        )
        await work.jobs.add(
            SendDeliveryTask(delivery_id=delivery_id),
            account_id=account.id if account else None,
            key=key,
            priority=priority,
        )
