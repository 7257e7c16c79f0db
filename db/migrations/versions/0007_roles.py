"""Roles of accounts: what they may do is read from here, not from their tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "accounts", sa.Column("role", sa.Text(), nullable=False, server_default=sa.text("'user'"))
    )
    op.alter_column("accounts", "role", server_default=None)


def downgrade() -> None:
    op.drop_column("accounts", "role")
