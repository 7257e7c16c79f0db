"""The audit trail, append-only and chained.

`audit_append` is the one way in. It takes its owner's rights, so that the application needs none on
`audit_entries` but to read, and it holds off others who append until the transaction ends. The
digests are those of `domain.audit`; the trigger holds for everybody, whatever rights they have, as
long as they don't own the table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LOCK = 4_815_162_342_108_000
"""Key of the advisory lock under which entries are appended; any number that is ours."""

REFUSE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: the audit trail only grows', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$
"""

APPEND = """
CREATE FUNCTION audit_append(
  entry_id uuid, entry_act text, entry_account uuid, entry_session uuid, sealed bytea,
  details_salt bytea, details_address text, details_agent text, details_more jsonb
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
  head record;
  number bigint;
  before bytea;
  now_utc timestamptz;
  told text;
BEGIN
  PERFORM pg_advisory_xact_lock({lock});
  -- A statement of its own: it sees what was committed while we waited for the lock.
  SELECT sequence, digest INTO head FROM audit_entries ORDER BY sequence DESC LIMIT 1;
  number := coalesce(head.sequence, 0) + 1;
  before := coalesce(head.digest, decode(repeat('00', 32), 'hex'));
  now_utc := clock_timestamp();
  told := format(
    '{{"account_id":%s,"act":%s,"details":"%s","id":"%s","occurred_at":"%s","sequence":%s,'
      '"session_id":%s}}',
    coalesce(to_json(entry_account::text)::text, 'null'), to_json(entry_act)::text,
    encode(sealed, 'hex'), entry_id,
    to_char(now_utc AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), number,
    coalesce(to_json(entry_session::text)::text, 'null')
  );
  INSERT INTO audit_entries
    (id, sequence, act, account_id, session_id, occurred_at, details_digest, previous, digest)
    VALUES (entry_id, number, entry_act, entry_account, entry_session, now_utc, sealed, before,
      sha256(before || convert_to(told, 'UTF8')));
  INSERT INTO audit_details (id, salt, client_address, user_agent, detail)
    VALUES (entry_id, details_salt, details_address, details_agent, details_more);
END $$
"""


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("details_digest", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sequence", name="audit_entries_sequence"),
    )
    op.create_index(
        "audit_entries_of_account", "audit_entries", ["account_id", "occurred_at", "id"]
    )
    op.create_table(
        "audit_details",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("client_address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=256), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["audit_entries.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(REFUSE)
    # Details may be deleted, which is how a person is forgotten; nothing else happens to either.
    for table, verbs in (
        ("audit_entries", "UPDATE OR DELETE OR TRUNCATE"),
        ("audit_details", "UPDATE OR TRUNCATE"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE {verbs} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")
    op.execute(sa.text(APPEND.format(schema=schema, lock=LOCK).replace(":", r"\:")))
    op.execute(
        "REVOKE ALL ON FUNCTION"
        " audit_append(uuid, text, uuid, uuid, bytea, bytea, text, text, jsonb) FROM PUBLIC"
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION audit_append")
    op.drop_table("audit_details")
    op.drop_table("audit_entries")
    op.execute("DROP FUNCTION audit_refuse")
