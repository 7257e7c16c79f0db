"""Erase the accounts whose time of grace is over."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from loguru import logger

from domain.accounts import Account, AccountStatus
from domain.audit import Act
from domain.jobs import Priority, Queue, RetryPolicy, Task, Terms
from domain.refusals import UpstreamUnavailable
from domain.sessions import Device, Session, SessionEnd
from usecases.accounts.revocation import Revocation
from usecases.deliveries.owe import OweMail, last_mail_key
from usecases.ports.sessions import Traces
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database

AT_ONCE = 50
"""Accounts that one turn deals with; the next turn goes on."""

SERVICE = Device(client_address="", user_agent="Storyloom")
"""Who asks where nobody does: the service itself."""


class EraseAccountsTask(Task):
    """Close and erase accounts that are due."""

    terms: ClassVar[Terms] = Terms(
        kind="erase_accounts",
        queue=Queue.MAINTENANCE,
        priority=Priority.LOW,
        retry=RetryPolicy(attempts=3, first=timedelta(minutes=1)),
        timeout=timedelta(minutes=30),
        unique_by=(),
    )


@dataclass(frozen=True, slots=True)
class EraseAccounts:
    """Closes accounts that are due, and erases closed ones once their last mail is settled.

    Closing ends sessions, calls running jobs off and owes the mail; it is what makes the erasure of
    a later turn complete, since nothing works for the account any more. Erasing takes what Redis
    keeps first: where that fails, the account is still there, and the next turn begins again.
    Running it twice at once does no harm.
    """

    database: Database
    revocation: Revocation
    traces: Traces
    owe: OweMail
    clock: Clock

    async def __call__(self) -> int:
        """Return how many accounts were erased."""
        async with self.database.begin() as work:
            due = await work.accounts.leaving(self.clock.now(), AT_ONCE)
        return sum([await self._deal_with(account_id) for account_id in due])

    async def _deal_with(self, account_id: UUID) -> bool:
        """Do the next step for an account; tell whether it was its erasure."""
        async with self.database.begin() as work:
            account = await work.accounts.get(account_id)
            last_mail = await work.deliveries.with_event(last_mail_key(account_id))
        if account is None:
            return False
        if account.status is not AccountStatus.CLOSED:
            await self._close(account_id)
            return False
        if last_mail and not last_mail.is_over and self.clock.now() < last_mail.expires_at:
            return False
        return await self._erase(account)

    async def _close(self, account_id: UUID) -> None:
        ended: list[Session] = []
        async with self.database.begin() as work:
            await work.jobs.cancel_all(account_id)  # before any other lock, as they take theirs
            account = await work.accounts.lock(account_id)
            if account is None or not account.is_due(self.clock.now()):
                return
            account.close()
            ended = await self.revocation.end(
                work,
                await work.sessions.lock_open(account_id),
                SessionEnd.ACCOUNT_DELETION,
                SERVICE,
            )
            await self.owe.account_closed(work, account)
        await self.revocation.announce(ended)
        logger.bind(user_id=str(account_id)).info("Account closed")

    async def _erase(self, account: Account) -> bool:
        contacts = [contact for contact in (account.email, account.phone_number) if contact]
        await self.traces.erase(account.id, contacts)
        async with self.database.begin() as work:
            await work.jobs.remove_all(account.id)
            await work.deliveries.remove_to(contacts)
            await work.audit.record(Act.ACCOUNT_ERASED, account.id)
            await work.audit.erase(account.id)
            await work.accounts.erase(account.id)
        logger.bind(user_id=str(account.id)).info("Account erased")
        try:
            # What a worker wrote that was being called off. If not now, it expires within a day.
            await self.traces.erase(account.id, contacts)
        except UpstreamUnavailable:
            logger.bind(user_id=str(account.id)).warning(
                "Traces of an account expire by themselves"
            )
        return True
