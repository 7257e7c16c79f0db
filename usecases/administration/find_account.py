"""Find an account."""

from dataclasses import dataclass
from uuid import UUID

from domain.accounts import Account
from domain.audit import Act
from domain.entity import Value
from domain.sessions import AccessClaims, Device
from usecases.accounts.addresses import Address
from usecases.administration.authorize_admin import AuthorizeAdmin
from usecases.ports.transactions import Database, Work
from usecases.validation import checked


class Sought(Value):
    """Whose account is looked for."""

    email: Address


@dataclass(frozen=True, slots=True)
class FindAccount:
    """Shows an admin an account, by its id or its exact address; its owner can read that it did."""

    authorize_admin: AuthorizeAdmin
    database: Database

    async def __call__(
        self, claims: AccessClaims, device: Device, *, sought: UUID | str
    ) -> Account | None:
        """Return it. Of those that claim an address, the one that has proven it, else the newest.

        Raises InvalidInput, Unauthenticated, Forbidden or ReauthenticationRequired.
        """
        async with self.database.begin() as work:
            admin = await self.authorize_admin.within(work, claims, device)
            account = await _found(work, sought)
            if account is not None:
                await admin.record(work, Act.ACCOUNT_VIEWED, account.id)
        return account


async def _found(work: Work, sought: UUID | str) -> Account | None:
    if isinstance(sought, UUID):
        return await work.accounts.get(sought)
    email = checked(Sought, {"email": sought}, prefix=("by",)).email
    return await work.accounts.active_with_email(
        email
    ) or await work.accounts.latest_pending_with_email(email)
