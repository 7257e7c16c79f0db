"""The way from an empty database to today's tables, and on to tomorrow's."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db.database import asyncpg_url
from db.migrations.rights import APP_ROLE, grant

LOCK = 7_307_199_541_806_137
"""Key of the advisory lock under which one process migrates at a time; any number that is ours."""


async def migrate(url: str, revision: str = "head", *, app_role: str = APP_ROLE) -> None:
    """Bring the database forward to a revision, and renew what the application's role may do."""

    def upgrade(config: Config) -> None:
        command.upgrade(config, revision)
        grant(config.attributes["connection"], app_role)

    await _alone(url, upgrade)


async def revert(url: str, revision: str) -> None:
    """Take the database back to a revision, or to `base`, where it has no tables."""
    await _alone(url, lambda config: command.downgrade(config, revision))


async def draft(url: str, message: str) -> None:
    """Write a revision file of what the rows have and the database lacks, to be completed."""
    await _alone(url, lambda config: command.revision(config, message, autogenerate=True))


async def _alone(url: str, act: Callable[[Config], object]) -> None:
    """Act in one transaction, all or nothing; processes that start at once wait for each other."""
    engine = create_async_engine(asyncpg_url(url), poolclass=NullPool, hide_parameters=True)
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        await connection.run_sync(lambda open_: act(_configuration(open_)))


def _configuration(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", Path(__file__).parent.as_posix().replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
