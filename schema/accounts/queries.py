"""Queries of accounts."""

import strawberry

from schema.accounts.types import AccountType
from schema.context import Info


@strawberry.type
class AccountQueries:
    """Who is asking."""

    @strawberry.field(
        description="The account that is logged in; null without an access token. With one that "
        "is expired or not good, an error says so."
    )
    async def viewer(self, info: Info) -> AccountType | None:
        """Answer with the viewer's account."""
        if info.context.claims is None and info.context.rejection is None:
            return None
        account_id = info.context.viewer.account_id
        found = await info.context.reads.accounts([account_id])
        return AccountType.tell(found[account_id]) if account_id in found else None
