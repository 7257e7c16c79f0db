"""Accounts as admins see them: what it takes to help or to stop somebody, and no stories."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from domain.accounts import Account, AccountStatus, Role
from schema import published
from schema.accounts.audit_log import AuditEntryConnectionType, audit_page
from schema.accounts.farewell import AccountDeletionType
from schema.accounts.sessions import SessionType
from schema.context import Info
from schema.nodes import ACCOUNT, global_id
from schema.pages import First, Place
from schema.scalars import EmailAddress

published.as_enum(
    AccountStatus,
    "Whether an account's address is proven.",
    {
        AccountStatus.PENDING: "It is not: nobody can log in yet.",
        AccountStatus.ACTIVE: "It is.",
        AccountStatus.CLOSED: "The account is about to be erased.",
    },
)

published.as_enum(
    Role,
    "What an account may do beside using its own things.",
    {
        Role.USER: "Nothing.",
        Role.ADMIN: "Administer, from an allowed address and shortly after a log-in.",
    },
)


@published.as_type
class ManagedAccountType:
    """An account as admins see it.

    Its owner can read in the audit log who looked.
    """

    # Only what is guarded makes one.
    key: strawberry.Private[UUID]
    account_id: strawberry.ID = strawberry.field(
        description="The `id` that the account has for its owner."
    )
    email: EmailAddress = strawberry.field(description="The address that mails go to.")
    display_name: str = strawberry.field(description="The name that mails call them by.")
    status: AccountStatus = strawberry.field(description="Whether the address is proven.")
    role: Role = strawberry.field(description="What it may do beside using its own things.")
    created_at: datetime = strawberry.field(description="When they signed up.")
    verified_at: datetime | None = strawberry.field(
        description="When they proved the address; null before."
    )
    suspended_at: datetime | None = strawberry.field(
        description="Since when it is suspended; null for one that is not."
    )
    deletion: AccountDeletionType | None = strawberry.field(
        description="Set for an account that is to be deleted, as its owner asked."
    )

    @classmethod
    def tell(cls, account: Account) -> Self:
        """Make the published form of an account."""
        return cls(
            key=account.id,
            account_id=global_id(ACCOUNT, account.id),
            email=EmailAddress(account.email),
            display_name=account.display_name,
            status=account.status,
            role=account.role,
            created_at=account.created_at,
            verified_at=account.verified_at,
            suspended_at=account.suspended_at,
            deletion=AccountDeletionType.of(account),
        )

    @strawberry.field(description="Where they are logged in, the newest used first.")
    async def sessions(self, info: Info) -> list[SessionType]:
        """Answer with the account's sessions."""
        current = info.context.viewer.session_id
        seen = await info.context.use_cases.list_sessions.of(self.key, current=current)
        return [SessionType.tell(one) for one in seen]

    @strawberry.field(description="What happened to the account, newest first.")
    async def audit_log(
        self, info: Info, first: First = 20, after: Place = None
    ) -> AuditEntryConnectionType:
        """Answer with a page of the account's log."""
        return await audit_page(info, self.key, first, after)


@published.as_choice
class AccountLookup:
    """Which account: exactly one of these."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(
        description="The `id` that it has for its owner."
    )
    email: strawberry.Maybe[EmailAddress] = strawberry.field(
        description="Its whole address; upper and lower case are the same."
    )


Lookup = Annotated[AccountLookup, strawberry.argument(description="Which account.")]
