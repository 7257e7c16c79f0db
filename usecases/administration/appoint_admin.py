"""Make an account an admin's, or take that away: operators do, nobody over the network."""

from dataclasses import dataclass

from domain.accounts import Account, Role
from domain.audit import Act
from domain.entity import Value
from domain.refusals import AccountNotFound
from usecases.accounts.addresses import Address
from usecases.ports.transactions import Database
from usecases.validation import checked

OPERATOR = {"actor": "operator", "role": Role.ADMIN.value}


class Appointed(Value):
    """Whose account it is."""

    email: Address


@dataclass(frozen=True, slots=True)
class AppointAdmin:
    """Gives or takes the role; it counts from the next request on. Again it changes nothing."""

    database: Database

    async def __call__(self, email: str, role: Role) -> tuple[Account, bool]:
        """Return the account that has proven the address, and whether its role was another one.

        Raises InvalidInput or AccountNotFound.
        """
        email = checked(Appointed, {"email": email}).email
        async with self.database.begin() as work:
            found = await work.accounts.active_with_email(email)
            account = await work.accounts.lock(found.id) if found else None
            if account is None or not account.is_active or account.email != email:
                raise AccountNotFound
            changes = account.role is not role
            if changes:
                account.role = role
                act = Act.ROLE_GRANTED if role is Role.ADMIN else Act.ROLE_REVOKED
                await work.audit.record(act, account.id, detail=OPERATOR)
        return account, changes
