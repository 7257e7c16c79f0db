"""Queries of admins: accounts of others, and jobs."""

from uuid import UUID

import strawberry

from schema import published
from schema.administration.jobs import (
    DeadLetterConnectionType,
    QueueLoadType,
    RunningJobConnectionType,
    dead_letters,
    queue_loads,
    running_jobs,
)
from schema.administration.types import Lookup, ManagedAccountType
from schema.context import Info
from schema.nodes import ACCOUNT, split_global_id


@published.as_type
class AdministrationType:
    """What admins see.

    Each of its accounts that is shown is noted in the audit log.
    """

    # Made for admins alone.
    jobs: list[QueueLoadType] = strawberry.field(
        resolver=queue_loads, description="What is in each queue."
    )
    dead_letters: DeadLetterConnectionType = strawberry.field(
        resolver=dead_letters, description="Jobs that failed for good, those given up last first."
    )
    running_jobs: RunningJobConnectionType = strawberry.field(
        resolver=running_jobs, description="Jobs that workers have, those promised last first."
    )

    @strawberry.field(description="An account; null where there is none.")
    async def account(self, info: Info, by: Lookup) -> ManagedAccountType | None:
        """Answer with the account."""
        if by.email:
            return await _shown(info, by.email.value)
        found = split_global_id(by.id.value) if by.id else None
        return await _shown(info, found[1]) if found and found[0] == ACCOUNT else None


async def _shown(info: Info, sought: UUID | str) -> ManagedAccountType | None:
    context = info.context
    account = await context.use_cases.find_account(
        context.viewer, context.client.device, sought=sought
    )
    return ManagedAccountType.tell(account) if account else None


@strawberry.type
class AdministrationQueries:
    """The way in."""

    @strawberry.field(
        description="What admins see: for accounts with the role, from an allowed address, and "
        "shortly after a log-in or `reauthenticate`. Anybody else gets the error `FORBIDDEN` or "
        "`REAUTHENTICATION_REQUIRED`."
    )
    async def administration(self, info: Info) -> AdministrationType | None:
        """Let admins in."""
        context = info.context
        await context.use_cases.authorize_admin(context.viewer, context.client.device)
        return AdministrationType()
