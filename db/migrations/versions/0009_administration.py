"""Administration: suspended accounts, and when the bearer of a session last proved who they are."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("suspended_at", sa.DateTime(timezone=True)))
    # Sessions of before have none: whoever administers by one is asked to prove themselves once.
    op.add_column("sessions", sa.Column("authenticated_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("sessions", "authenticated_at")
    op.drop_column("accounts", "suspended_at")
