"""The wiring of what operators do by hand: PostgreSQL alone is needed for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from pydantic import SecretStr

from adapters.clock import SystemClock
from bootstrap.engines import EmbeddedPostgres
from bootstrap.household import DATABASE_NAME
from bootstrap.secrets import KEY_BYTES, development_secrets, key_bytes
from bootstrap.settings import Settings
from bootstrap.settings_loading import SettingsInvalid, read_settings
from bootstrap.signing import key_policy, locksmith_of
from db.database import SqlDatabase, close_engine, create_engine
from db.reads import SqlReads
from domain.jobs import Job
from usecases.administration.appoint_admin import AppointAdmin
from usecases.administration.list_admins import ListAdmins
from usecases.administration.load_signing_keys import LoadSigningKeys
from usecases.administration.rotate_signing_keys import RotateSigningKeys
from usecases.administration.show_queues import ShowQueues
from usecases.administration.tend_dead_letters import TendDeadLetters
from usecases.administration.verify_audit_trail import VerifyAuditTrail
from usecases.catalog import Administration

PORT_LINE = 3
"""Where the port stands in PostgreSQL's postmaster.pid, counted from 0."""


def operator_settings() -> Settings:
    """Read the settings of a command.

    In development, what nobody set is that of the `make run` which is running. Raises
    SettingsInvalid, which ends the process with its one line.
    """
    settings = read_settings()
    if not settings.is_production:
        settings = settings.model_copy(update=_of_the_household(settings))
    if not settings.database_url:
        everything = "" if settings.is_production else ", or start everything with `make run`"
        raise SettingsInvalid(
            "storyloom: DATABASE_URL is missing: set it to an address like "
            f"postgresql://user:password@host:5432/name{everything}."
        )
    return settings


@asynccontextmanager
async def open_administration(settings: Settings) -> AsyncIterator[Administration]:
    """Wire what operators do; what it holds is closed at the end of the block."""
    try:
        fits = len(key_bytes(settings.token_signing_key)) == KEY_BYTES
    except ValueError:
        fits = False
    if not fits:
        raise SettingsInvalid(
            f"storyloom: TOKEN_SIGNING_KEY is not {KEY_BYTES} bytes in base64url: "
            "set it to what the service has."
        )
    engine = create_engine(
        settings.database_url, pool_size=1, application_name="storyloom administration"
    )
    database, reads = SqlDatabase(engine, _NoQueue()), SqlReads(engine)
    clock, locksmith = SystemClock(), locksmith_of(settings)
    try:
        yield Administration(
            load_signing_keys=LoadSigningKeys(database, locksmith, clock),
            rotate_signing_keys=RotateSigningKeys(database, locksmith, clock, key_policy(settings)),
            verify_audit_trail=VerifyAuditTrail(reads),
            appoint_admin=AppointAdmin(database),
            list_admins=ListAdmins(database),
            show_queues=ShowQueues(reads),
            dead_letters=TendDeadLetters(database, reads, clock),
        )
    finally:
        await close_engine(engine)


def _of_the_household(settings: Settings) -> dict[str, object]:
    home = settings.storyloom_home.resolve()
    found: dict[str, object] = {}
    if not settings.token_signing_key.get_secret_value():
        found["token_signing_key"] = SecretStr(development_secrets(home)["TOKEN_SIGNING_KEY"])
    if not settings.database_url and (url := _running(home / "postgres")):
        found["database_url"] = url
    return found


def _running(home: Path) -> str | None:
    """Return where the embedded PostgreSQL of that folder listens, or None if it does not run."""
    try:
        lines = (home / "data" / "postmaster.pid").read_text().splitlines()
        url = EmbeddedPostgres(home, int(lines[PORT_LINE])).url
    except (OSError, ValueError, IndexError):
        return None
    return urlunsplit(urlsplit(url)._replace(path=f"/{DATABASE_NAME}"))


class _NoQueue:
    """Stands for the queue: what operators do needs no Redis."""

    async def wake(self, jobs: Sequence[Job]) -> None:
        """Leave them to the relay: it misses their permits, and gives them, within 2 s."""

    async def call_off(self, job_ids: Sequence[UUID]) -> None:
        """Leave them to their leases."""
