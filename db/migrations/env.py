"""Alembic's environment: works on the connection, in the transaction, that `migrate` opened."""

from typing import Literal

from alembic import context
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

import db.rows  # noqa: F401 - the tables are known once it is imported


def _plain_type(kind: str, item: object, _: object) -> str | Literal[False]:
    """Draft revisions in PostgreSQL's own types: ours may change, a revision never does."""
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False
    plain = item.impl_instance
    return "postgresql.JSONB()" if isinstance(plain, JSONB) else f"sa.{plain!r}"


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    compare_server_default=True,
    render_item=_plain_type,
)
context.run_migrations()
