"""The audit trail in one transaction: chained by PostgreSQL itself, as the last thing it does."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, delete, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from db.rows import AccountRow, AuditDetailsRow, AuditRow
from domain.audit import Act, AuditDetails
from domain.sessions import Device

SALT_BYTES = 32

LOOK_BACK = timedelta(days=60)
"""How much of the trail is searched for strangers: what is older was swept before.

So it costs what two months hold, however long the trail is. What came due while nothing was swept
for longer than that is not found again.
"""

APPEND = text(
    "SELECT audit_append(:id, :act, :account_id, :session_id, :details_digest,"
    " :salt, :client_address, :user_agent, :detail)"
).bindparams(bindparam("detail", type_=JSONB))
"""The one way in: the application needs no other right to write there (migration 0002)."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    act: Act
    account_id: UUID | None
    session_id: UUID | None
    details: AuditDetails


class SqlAudit:
    """Implements `AuditTrail` in a session's transaction.

    Each entry needs the digest of the one before, so whoever appends holds off everybody else who
    does, until its commit. Entries are therefore kept here until `append`, which comes last: the
    wait is for commits alone, and who waits there holds nothing that another could need to end.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._recorded: list[_Recorded] = []

    async def record(
        self,
        act: Act,
        account_id: UUID | None,
        *,
        session_id: UUID | None = None,
        device: Device | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Have an act appended at the end of the transaction."""
        details = AuditDetails(
            id=uuid7(),
            salt=secrets.token_bytes(SALT_BYTES),
            client_address=device.client_address if device else "",
            user_agent=device.user_agent if device else "",
            detail=dict(detail or {}),
        )
        self._recorded.append(_Recorded(act, account_id, session_id, details))

    async def erase(self, account_id: UUID) -> None:
        """Forget the details of what was recorded of an account, also in this transaction."""
        theirs = select(col(AuditRow.id)).where(col(AuditRow.account_id) == account_id)
        await self._session.execute(
            delete(AuditDetailsRow).where(col(AuditDetailsRow.id).in_(theirs))
        )
        self._recorded = [
            replace(recorded, details=AuditDetails(salt=recorded.details.salt))
            if recorded.account_id == account_id
            else recorded
            for recorded in self._recorded
        ]

    async def forget_strangers(self, before: datetime, limit: int) -> int:
        """Forget the details of what somebody without an account did before then; tell how many."""
        details, entry, account = AuditDetailsRow, AuditRow, AccountRow
        doomed = (
            select(col(details.id))
            .join(entry, col(entry.id) == col(details.id))
            .outerjoin(account, col(account.id) == col(entry.account_id))
            .where(
                col(details.id).between(_first_id(before - LOOK_BACK), _first_id(before)),
                col(entry.occurred_at) < before,
                col(account.id).is_(None),
                or_(
                    col(entry.account_id).is_not(None),
                    col(details.client_address) != "",
                    col(details.user_agent) != "",
                ),
            )
            .limit(limit)
        )
        # Not locked before, which the application has no right to: two at once wait.
        forgotten = await self._session.scalars(
            delete(details)
            .where(col(details.id).in_(doomed.scalar_subquery()))
            .returning(col(details.id))
        )
        return len(forgotten.all())

    async def append(self) -> None:
        """Write what was recorded. From here on no other lock may be asked for, only the commit.

        What else has changed is written before: its locks are waited for outside of this one.
        """
        if not self._recorded:
            return
        await self._session.flush()
        for recorded in self._recorded:
            await self._session.execute(
                APPEND,
                {
                    "id": recorded.details.id,
                    "act": recorded.act.value,
                    "account_id": recorded.account_id,
                    "session_id": recorded.session_id,
                    "details_digest": recorded.details.seal(),
                    "salt": recorded.details.salt,
                    "client_address": recorded.details.client_address,
                    "user_agent": recorded.details.user_agent,
                    "detail": recorded.details.detail,
                },
            )


def _first_id(moment: datetime) -> UUID:
    """Return the least UUIDv7 of a moment: entries and details have theirs from when they came."""
    return UUID(int=int(moment.timestamp() * 1_000) << 80)
