"""Passkeys, as their owner sees them."""

from datetime import datetime
from typing import Self

import strawberry

from domain.passkeys import Passkey
from domain.refusals import Unauthenticated
from schema import published
from schema.context import Info
from schema.nodes import ACCOUNT, PASSKEY, NodeType, global_id


@published.as_type
class PasskeyType(NodeType):
    """A key of a device or a password manager that logs in without a password.

    Only its public half is known here.
    """

    name: str = strawberry.field(description="What its owner calls it: 1 to 60 characters.")
    created_at: datetime = strawberry.field(description="When it was added.")
    last_used_at: datetime | None = strawberry.field(
        name="lastLogInAt", description="When it logged in last; null before the first time."
    )
    backed_up: bool = strawberry.field(
        description="Whether it is kept by a service that copies it to other devices, as it said "
        "last. One that is not is lost with its device."
    )

    @classmethod
    def tell(cls, passkey: Passkey) -> Self:
        """Make the published form of a passkey."""
        return cls(
            id=global_id(PASSKEY, passkey.id),
            name=passkey.name,
            created_at=passkey.created_at,
            last_used_at=passkey.last_used_at,
            backed_up=passkey.backed_up,
        )


async def passkeys(info: Info, account: strawberry.Parent[NodeType]) -> list[PasskeyType]:
    """Answer with the account's passkeys, to itself alone."""
    viewer = info.context.viewer.account_id
    if account.id != global_id(ACCOUNT, viewer):
        raise Unauthenticated
    return [PasskeyType.tell(one) for one in await info.context.reads.passkeys_of(viewer)]
