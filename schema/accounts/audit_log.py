"""The audit log: what happened to an account, as its owner reads it."""

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from domain.audit import Act, AuditRecord
from schema import published
from schema.context import Info
from schema.nodes import ACCOUNT, NodeType, key_of
from schema.pages import First, PageInfoType, Place, read_page
from schema.scalars import Cursor
from usecases.ports.reads import AuditPage

published.as_enum(
    Act,
    "A security-relevant act. More kinds may come: show those that you do not know by their name.",
    {
        Act.SIGNED_UP: "Somebody signed up with the address.",
        Act.ADDRESS_PROVEN: "The address was proven by its code.",
        Act.LOGGED_IN: "A session began.",
        Act.LOG_IN_FAILED: "Somebody tried to prove that they are the owner, and could not.",
        Act.LOCKED_OUT: "After too many failures, log-ins are refused for a while.",
        Act.REAUTHENTICATED: "In the middle of a session, its bearer proved to be the owner.",
        Act.LOGGED_OUT: "A session was ended by its own device.",
        Act.SESSION_ENDED: "A session was ended from elsewhere.",
        Act.REFRESH_REUSED: "A refresh token was used twice, and its session was ended.",
        Act.PASSWORD_CHANGED: "The password was changed.",
        Act.PASSWORD_RESET_REQUESTED: "Somebody asked for a code to set a new password.",
        Act.PASSWORD_RESET: "A new password was set by a code.",
        Act.EMAIL_CHANGE_REQUESTED: "Another address was named, and is not proven yet.",
        Act.EMAIL_CHANGED: "The address was changed.",
        Act.TOTP_ENABLED: "Log-ins ask for an authenticator's code from now on.",
        Act.TOTP_DISABLED: "Log-ins ask for no authenticator's code any more.",
        Act.RECOVERY_CODE_USED: "A recovery code was used up.",
        Act.RECOVERY_CODES_RENEWED: "New recovery codes were made; the old ones are void.",
        Act.PASSKEY_ADDED: "A passkey was added.",
        Act.PASSKEY_RENAMED: "A passkey was given another name.",
        Act.PASSKEY_REMOVED: "A passkey was removed.",
        Act.PHONE_PROVEN: "A phone number was proven by its code.",
        Act.PHONE_REMOVED: "The phone number was removed.",
        Act.DATA_EXPORTED: "The account's data were exported.",
        Act.DELETION_REQUESTED: "The deletion of the account was asked for.",
        Act.DELETION_CANCELED: "The account is kept after all.",
        Act.ACCOUNT_ERASED: "The account was erased.",
        Act.ADMINISTERED: "As an admin, the account did something: `act` says what, `account` to "
        "whom.",
        Act.ACCOUNT_VIEWED: "An admin looked at the account.",
        Act.SESSIONS_ENDED_BY_ADMIN: "An admin logged the account out everywhere.",
        Act.ACCOUNT_SUSPENDED: "An admin suspended the account.",
        Act.ACCOUNT_REINSTATED: "An admin opened the suspended account again.",
        Act.JOB_RETRIED: "A job that had failed for good was given another chance.",
        Act.JOB_DISCARDED: "A job that had failed for good was put away.",
        Act.ROLE_GRANTED: "The service's operator gave the account a role.",
        Act.ROLE_REVOKED: "The service's operator took a role away.",
        Act.SIGNING_KEYS_ROTATED: "The service changed the keys of its access tokens.",
    },
)


@published.as_type
class AuditDetailType:
    """Something that is known of an act."""

    name: str = strawberry.field(description="What it is, like `method`.")
    value: str = strawberry.field(description="Never a password, a code or a token.")


@published.as_type
class AuditEntryType:
    """One act.

    Nobody can change or remove it: the entries of all accounts are chained.
    """

    id: strawberry.ID = strawberry.field(description="Unique among entries.")
    act: Act = strawberry.field(description="What happened.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    session_id: strawberry.ID | None = strawberry.field(
        description="The session that it is about; null where there was none."
    )
    client_address: str | None = strawberry.field(
        description="The network address that it came from; null where it is not known."
    )
    user_agent: str | None = strawberry.field(
        description="The device that it came from, as it called itself, at most 256 characters; "
        "null where it is not known."
    )
    details: list[AuditDetailType] = strawberry.field(description="What else is known of it.")

    @classmethod
    def tell(cls, record: AuditRecord) -> Self:
        """Make the published form of a record."""
        entry, details = record.entry, record.details
        known = sorted(details.detail.items()) if details else []
        return cls(
            id=strawberry.ID(str(entry.id)),
            act=entry.act,
            occurred_at=entry.occurred_at,
            session_id=strawberry.ID(str(entry.session_id)) if entry.session_id else None,
            client_address=(details and details.client_address) or None,
            user_agent=(details and details.user_agent) or None,
            details=[AuditDetailType(name=name, value=value) for name, value in known],
        )


@published.as_type
class AuditEntryEdgeType:
    """An act in the audit log."""

    cursor: Cursor = strawberry.field(description="Its place in the log.")
    node: AuditEntryType = strawberry.field(description="The act.")


@published.as_type
class AuditEntryConnectionType:
    """A page of the audit log."""

    edges: list[AuditEntryEdgeType] = strawberry.field(description="The acts with their places.")
    page_info: PageInfoType = strawberry.field(description="Where the page begins and ends.")

    @strawberry.field(description="The acts of this page.")
    def nodes(self) -> list[AuditEntryType]:
        """Leave out the edges."""
        return [edge.node for edge in self.edges]


async def audit_log(
    info: Info,
    account: strawberry.Parent[NodeType],
    first: First = 20,
    after: Place = None,
) -> AuditEntryConnectionType:
    """Answer with a page of the account's log; only its owner ever holds an account."""
    return await audit_page(info, key_of(ACCOUNT, account.id, path=()), first, after)


async def audit_page(
    info: Info, account_id: UUID, first: int, after: Cursor | None
) -> AuditEntryConnectionType:
    """Return a page of an account's log, whosever it is."""
    read = info.context.reads.audit_of
    placed, page_info = await read_page(
        read, AuditPage(account_id, first), after, lambda it: (it.entry.occurred_at, it.entry.id)
    )
    edges = [
        AuditEntryEdgeType(cursor=cursor, node=AuditEntryType.tell(record))
        for cursor, record in placed
    ]
    return AuditEntryConnectionType(edges=edges, page_info=page_info)
