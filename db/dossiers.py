"""Everything that is kept of an account, gathered table by table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel, col

from db.rows import AuditRow
from domain.audit import Act
from usecases.ports.transactions import Dossier

TABLES = SQLModel.metadata.tables


@dataclass(frozen=True, slots=True)
class Section:
    """A table, and the name that its rows have in a dossier.

    A row is the account's by its column `key`. In a section with a `parent` it is part of the row
    of the parent's section that `key` points at; `is_single` where there is one for each.
    `omitted` columns are secrets, or of no meaning outside: each has its reason.
    """

    table: str
    name: str
    key: str = "account_id"
    parent: str | None = None
    is_single: bool = False
    omitted: Mapping[str, str] = field(default_factory=dict)


SECRET = "whoever has it can guess at a secret"  # noqa: S105 - a reason
CHAIN = "proves that the trail is whole, and says nothing of the account"
FENCE = "tells workers apart, and says nothing of the account"
DEADLINE = "the job's deadline says it"
OWNER = "the account itself"
INSIDE = "what it stands in"

SECTIONS = (
    Section("accounts", "account", key="id", omitted={"password_hash": SECRET}),
    Section("sessions", "sessions", omitted={"account_id": OWNER}),
    Section(
        "refresh_tokens",
        "refreshTokens",
        key="session_id",
        parent="sessions",
        omitted={"session_id": INSIDE, "digest": SECRET, "sealed_successor": SECRET},
    ),
    Section("known_devices", "devices", omitted={"account_id": OWNER, "digest": SECRET}),
    Section("totp_factors", "totpFactors", omitted={"account_id": OWNER, "sealed_secret": SECRET}),
    Section("recovery_codes", "recoveryCodes", omitted={"account_id": OWNER, "digest": SECRET}),
    Section("passkeys", "passkeys", omitted={"account_id": OWNER}),
    Section("stories", "stories", omitted={"account_id": OWNER}),
    Section("chapters", "chapters", key="story_id", parent="stories", omitted={"story_id": INSIDE}),
    Section(
        "jobs", "jobs", omitted={"account_id": OWNER, "lease_token": FENCE, "budget": DEADLINE}
    ),
    Section("deliveries", "deliveries", omitted={"account_id": OWNER}),
    Section(
        "audit_entries",
        "auditLog",
        omitted={
            "account_id": OWNER,
            "details_digest": CHAIN,
            "previous": CHAIN,
            "digest": CHAIN,
        },
    ),
    Section(
        "audit_details",
        "details",
        key="id",
        parent="audit_entries",
        is_single=True,
        omitted={"id": INSIDE, "salt": CHAIN},
    ),
)

IMPERSONAL = {
    "signing_keys": "keys of the service",
    "schedules": "when the service's own work is due",
    "provider_slots": "calls that run, without whom they are for",
}
"""Tables that hold nothing of any account, and what they hold instead."""


class SqlDossiers:
    """Implements `Dossiers` in a session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of_account(self, account_id: UUID) -> Dossier:
        """Return all rows of the account, by section, without what is omitted."""
        gathered = [(section, await self._rows(section, account_id)) for section in SECTIONS]
        return assemble(gathered)

    async def exports_since(self, account_id: UUID, since: datetime) -> list[datetime]:
        """Return when its data was exported, oldest first."""
        occurred_at = col(AuditRow.occurred_at)
        moments = await self._session.scalars(
            select(occurred_at)
            .where(
                col(AuditRow.account_id) == account_id,
                col(AuditRow.act) == Act.DATA_EXPORTED,
                occurred_at > since,
            )
            .order_by(occurred_at)
        )
        return list(moments)

    async def _rows(self, section: Section, account_id: UUID) -> list[Mapping[str, Any]]:
        table = TABLES[section.table]
        mine = _is_of(table, section, account_id)
        rows = await self._session.execute(select(table).where(mine).order_by(table.c.id))
        return [dict(row) for row in rows.mappings()]


def assemble(gathered: list[tuple[Section, list[Mapping[str, Any]]]]) -> Dossier:
    """Put rows into their sections, and those of parts into the rows that they belong to."""
    dossier: Dossier = {}
    parents: dict[tuple[str, UUID], dict[str, Any]] = {}
    for section, rows in gathered:
        if section.parent is None:
            dossier[section.name] = []
        for row in rows:
            told = {name: value for name, value in row.items() if name not in section.omitted}
            parents[section.table, row["id"]] = told
            if section.parent is None:
                dossier[section.name].append(told)
            elif section.is_single:
                parents[section.parent, row[section.key]][section.name] = told
            else:
                parent = parents[section.parent, row[section.key]]
                parent.setdefault(section.name, []).append(told)
    return dossier


def _is_of(table: Table, section: Section, account_id: UUID) -> ColumnElement[bool]:
    key = table.c[section.key]
    if section.parent is None:
        return key == account_id
    parent = TABLES[section.parent]
    return key.in_(select(parent.c.id).where(parent.c.account_id == account_id))
