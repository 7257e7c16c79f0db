"""Known devices, phone numbers, the end of an account."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = (
    ("phone_number", sa.String(length=16)),
    ("phone_verified_at", sa.DateTime(timezone=True)),
    ("deletion_requested_at", sa.DateTime(timezone=True)),
    ("deletion_due_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("accounts", sa.Column(name, kind, nullable=True))
    op.create_index(
        "accounts_leaving",
        "accounts",
        ["deletion_due_at"],
        unique=False,
        postgresql_where=sa.text("deletion_due_at IS NOT NULL"),
    )
    op.create_table(
        "known_devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_agent", sa.String(length=256), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="known_devices_digest"),
    )
    op.create_index(
        op.f("ix_known_devices_account_id"), "known_devices", ["account_id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("known_devices")
    op.drop_index("accounts_leaving", "accounts")
    for name, _ in reversed(COLUMNS):
        op.drop_column("accounts", name)
