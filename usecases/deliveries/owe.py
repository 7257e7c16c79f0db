"""Promise a mail: its row and its job, in the transaction of the event it tells of."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from domain.accounts import Account
from domain.codes import Challenge
from domain.deliveries import CODE_MAILS, Delivery, DeliveryKind
from domain.jobs import SendDelivery
from domain.sessions import Session
from domain.stories import Story
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Work

PATIENCE = timedelta(hours=24)
"""For how long a mail that is no code is tried (the house's rule for mail faults)."""

KINDS = {purpose: kind for kind, purpose in CODE_MAILS.items()}
"""Which mail carries the code for which purpose."""


def last_mail_key(account_id: UUID) -> str:
    """Name the event of an account's closing."""
    return f"account:{account_id}:closed"


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
        """
        dedupe_key = f"challenge:{challenge.id}:code"
        await work.jobs.cancel(dedupe_key)
        await self._owe(
            work,
            KINDS[challenge.purpose],
            account,
            event_key=f"{dedupe_key}:{challenge.resend_at.isoformat()}",
            recipient=challenge.email,
            subject_id=challenge.id,
            expires_at=challenge.expires_at,
            dedupe_key=dedupe_key,
        )

    async def address_in_use(self, work: Work, account: Account) -> None:
        """Owe the owner of an address the news that somebody signed up with it again."""
        await self.notice(work, DeliveryKind.ADDRESS_IN_USE, account)

    async def notice(
        self, work: Work, kind: DeliveryKind, account: Account, *, recipient: str | None = None
    ) -> None:
        """Owe the account a mail that says the same to everybody; each call is an event.

        It goes to the account's address of now, or to `recipient`.
        """
        await self._owe(
            work,
            kind,
            account,
            event_key=f"account:{account.id}:{kind}:{uuid7()}",
            recipient=recipient or account.email,
        )

    async def session_revoked(self, work: Work, account: Account, session: Session) -> None:
        """Owe the account the warning that a refresh token of the session was used twice."""
        await self._owe(
            work,
            DeliveryKind.SESSION_REVOKED,
            account,
            event_key=f"session:{session.id}:revoked",
            recipient=account.email,
            subject_id=session.id,
        )

    async def new_device(self, work: Work, account: Account, session: Session) -> None:
        """Owe the account the news that a session began on a device that nobody knew."""
        await self._owe(
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
        dedupe_key: str | None = None,
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
            SendDelivery(delivery_id=delivery_id),
            dedupe_key=dedupe_key or f"delivery:{delivery_id}",
            account_id=account.id if account else None,
        )
