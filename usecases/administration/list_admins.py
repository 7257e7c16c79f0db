"""Show who may administer."""

from dataclasses import dataclass

from domain.accounts import Account, Role
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class ListAdmins:
    """Tells operators which accounts have the role."""

    database: Database

    async def __call__(self) -> list[Account]:
        """Return them, oldest first."""
        async with self.database.begin() as work:
            return await work.accounts.with_role(Role.ADMIN)
