"""What all acts on accounts of others have in common."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from domain.accounts import Account, AccountStatus
from domain.entity import Value
from domain.refusals import AccountNotFound
from domain.text import one_line
from usecases.ports.transactions import Work
from usecases.validation import checked


class Reason(Value):
    """Why an admin does something."""

    reason: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]


def checked_reason(reason: str) -> str:
    """Return the reason as it is recorded. Raises InvalidInput."""
    return checked(Reason, {"reason": reason}).reason


async def lock_managed(work: Work, account_id: UUID) -> Account:
    """Return an account, held until the transaction ends.

    Raises AccountNotFound, also for one that is about to be erased.
    """
    account = await work.accounts.lock(account_id)
    if account is None or account.status is AccountStatus.CLOSED:
        raise AccountNotFound
    return account
