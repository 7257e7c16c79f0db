"""Sessions, as their owner sees them."""

from datetime import datetime
from typing import Self

import strawberry

from domain.refusals import Unauthenticated
from schema import published
from schema.context import Info
from schema.nodes import ACCOUNT, SESSION, NodeType, global_id
from usecases.accounts.list_sessions import SeenSession


@published.as_type
class SessionType(NodeType):
    """A log-in on one device, for as long as it is carried on."""

    device: str = strawberry.field(
        description="What the device said of itself, in words: `Firefox on Linux`. It may lie."
    )
    location: str = strawberry.field(
        description="Roughly where the log-in came from: a country where the operator has a "
        "database for it, else `private network`, or the address without its last part, like "
        "`203.0.113.x` or `2001:db8:1::/64`."
    )
    created_at: datetime = strawberry.field(description="When it began.")
    last_used_at: datetime = strawberry.field(
        description="When its tokens were refreshed last: it may have been used since, for as long "
        "as an access token lives."
    )
    authenticated_at: datetime | None = strawberry.field(
        description="When its bearer last proved who they are, at log-in or by `reauthenticate`; "
        "null for a session from before this was noted."
    )
    expires_at: datetime = strawberry.field(
        description="When it ends if it is not used any more; each use puts it off, up to 90 days "
        "(a setting) after its beginning."
    )
    is_current: bool = strawberry.field(description="Whether this request belongs to it.")

    @classmethod
    def tell(cls, seen: SeenSession) -> Self:
        """Make the published form of a session."""
        return cls(
            id=global_id(SESSION, seen.session.id),
            device=seen.device,
            location=seen.place,
            created_at=seen.session.created_at,
            last_used_at=seen.session.last_used_at,
            authenticated_at=seen.session.authenticated_at,
            expires_at=seen.ends_at,
            is_current=seen.is_current,
        )


async def live_sessions(info: Info) -> list[SessionType]:
    """Return the viewer's sessions."""
    seen = await info.context.use_cases.list_sessions(info.context.viewer)
    return [SessionType.tell(one) for one in seen]


async def sessions(info: Info, account: strawberry.Parent[NodeType]) -> list[SessionType]:
    """Answer with the account's sessions, to itself alone."""
    if account.id != global_id(ACCOUNT, info.context.viewer.account_id):
        raise Unauthenticated
    return await live_sessions(info)
