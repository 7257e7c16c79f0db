"""Jobs: queues, priorities, fair turns, deadlines, schedules and slots of providers."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LIVE = sa.text("state IN ('scheduled', 'queued', 'running')")
LIVE_BEFORE = sa.text("state IN ('queued', 'running')")
SCHEDULED = sa.text("state = 'scheduled'")
DEAD = sa.text("state = 'dead'")
QUEUED = sa.text("state = 'queued'")
TICKED = sa.text("schedule IS NOT NULL")

QUEUES = {
    "write_story": ("stories", 1, "6 hours"),
    "send_delivery": ("mail", 1, "2 days"),
    "announce_ends": ("maintenance", 0, "2 days"),
}
"""Where the jobs of each kind belong that wait already, how urgent they are, and their budget."""


def upgrade() -> None:
    _carry_over()
    op.drop_index("jobs_live", "jobs")
    op.drop_index("jobs_queued", "jobs")
    op.create_index("jobs_live", "jobs", ["dedupe_key", "kind"], unique=True, postgresql_where=LIVE)
    op.create_index(
        "jobs_of_account",
        "jobs",
        ["account_id", "queue", "priority", "turn"],
        postgresql_where=LIVE,
    )
    op.create_index("jobs_scheduled", "jobs", ["run_at"], postgresql_where=SCHEDULED)
    op.create_index("jobs_dead", "jobs", ["finished_at", "id"], postgresql_where=DEAD)
    op.create_index(
        "jobs_queued", "jobs", ["queue", "priority", "turn", "id"], postgresql_where=QUEUED
    )
    op.create_index(
        "jobs_tick", "jobs", ["schedule", "scheduled_for"], unique=True, postgresql_where=TICKED
    )
    # Each job changes four times within seconds: its old versions lie at the head of its indexes.
    op.execute("ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.02)")
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "provider_slots",
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("provider", "number"),
    )


def _carry_over() -> None:
    """Add the columns, and give the jobs that are there a queue, a budget and their fair turn."""
    for column in (
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("queue", sa.Text(), nullable=False, server_default="maintenance"),
        sa.Column("priority", sa.SmallInteger(), nullable=False, server_default="1"),
        sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("schedule", sa.String(length=60), nullable=True),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progress", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("progress_total", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("budget", sa.Interval(), nullable=False, server_default="2 days"),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("jobs", column)
    place = sa.text(
        "UPDATE jobs SET queue = :queue, priority = :priority,"
        " budget = CAST(CAST(:budget AS text) AS interval) WHERE kind = :kind"
    )
    for kind, (queue, priority, budget) in QUEUES.items():
        op.execute(place.bindparams(kind=kind, queue=queue, priority=priority, budget=budget))
    op.execute("UPDATE jobs SET priority = 0 WHERE dedupe_key LIKE 'challenge:%'")
    # A task's key and its stored arguments say no longer what the column `kind` says.
    op.execute(
        "UPDATE jobs SET dedupe_key = substr(dedupe_key, 7)"
        " WHERE kind = 'write_story' AND dedupe_key LIKE 'story:%'"
    )
    op.execute("UPDATE jobs SET task = task - 'kind', deadline = run_at + budget")
    op.execute("UPDATE jobs SET state = 'scheduled' WHERE state = 'queued' AND run_at > now()")
    op.execute(
        "UPDATE jobs SET turn = place.turn FROM ("
        "SELECT id, row_number() OVER (PARTITION BY account_id, queue, priority"
        " ORDER BY run_at, id) - 1 AS turn FROM jobs"
        " WHERE state IN ('scheduled', 'queued', 'running')"
        ") AS place WHERE jobs.id = place.id"
    )
    for name in ("version", "queue", "priority", "turn", "progress", "progress_total", "budget"):
        op.alter_column("jobs", name, server_default=None)
    op.alter_column("jobs", "deadline", nullable=False)


def downgrade() -> None:
    op.drop_table("provider_slots")
    op.drop_table("schedules")
    op.execute("ALTER TABLE jobs RESET (autovacuum_vacuum_scale_factor)")
    for index in ("tick", "queued", "dead", "scheduled", "of_account", "live"):
        op.drop_index(f"jobs_{index}", "jobs")
    op.execute(
        "DELETE FROM jobs WHERE kind NOT IN ('write_story', 'send_delivery', 'announce_ends')"
    )
    op.execute("UPDATE jobs SET state = 'queued' WHERE state = 'scheduled'")
    op.execute("UPDATE jobs SET task = task || jsonb_build_object('kind', kind)")
    op.execute("UPDATE jobs SET dedupe_key = 'story:' || dedupe_key WHERE kind = 'write_story'")
    op.create_index(
        "jobs_live", "jobs", ["dedupe_key", "kind"], unique=True, postgresql_where=LIVE_BEFORE
    )
    op.create_index("jobs_queued", "jobs", ["run_at", "id"], postgresql_where=QUEUED)
    for column in (
        "deadline",
        "budget",
        "progress_total",
        "progress",
        "scheduled_for",
        "schedule",
        "turn",
        "priority",
        "queue",
        "version",
    ):
        op.drop_column("jobs", column)
