"""What the application may do, where it is another role than the owner of the tables."""

from sqlalchemy import Connection, text

APP_ROLE = "storyloom_app"
"""Whoever the application signs in as is this role, or a member of it."""

RIGHTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}",
)

AUDIT_RIGHTS = (
    # Entries come by `audit_append` alone, and stay; details may be erased with their account.
    "REVOKE INSERT, UPDATE, DELETE ON audit_entries FROM {role}",
    "REVOKE INSERT, UPDATE ON audit_details FROM {role}",
    "GRANT EXECUTE ON FUNCTION audit_append TO {role}",
)


def grant(connection: Connection, role: str = APP_ROLE) -> None:
    """Give the role what the application needs, and no more. Without such a role, do nothing."""
    is_another = connection.scalar(
        text("SELECT true FROM pg_roles WHERE rolname = :role AND rolname <> current_user"),
        {"role": role},
    )
    if not is_another:
        return
    has_audit = connection.scalar(text("SELECT to_regclass('audit_entries') IS NOT NULL"))
    quote = connection.dialect.identifier_preparer.quote
    schema = connection.scalar(text("SELECT current_schema()"))
    for right in (*RIGHTS, *(AUDIT_RIGHTS if has_audit else ())):
        connection.execute(text(right.format(schema=quote(schema), role=quote(role))))
