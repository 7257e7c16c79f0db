"""A worker whose machine's clock is wrong does what is due by PostgreSQL's."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from db.database import SqlDatabase, create_engine
from tests.clients.graphql import GraphQLApi
from tests.clients.person import ADDRESS, log_in
from tests.deployment import Deployment
from tests.fakes.database import FakeJobQueue
from tests.smtp_server import SmtpServer
from usecases.accounts.erase_accounts import EraseAccountsTask

AHEAD = timedelta(days=15)
"""More than the grace of an account that is to be erased."""

LEAVE = """
mutation { requestAccountDeletion(input: { password: "correct horse battery staple" }) {
  __typename
} }
"""
STAY = "mutation { cancelAccountDeletion { __typename } }"


async def test_a_clock_that_is_wrong_by_days_voids_no_code_and_erases_nobody(
    deployment: Deployment, mail_server: SmtpServer
) -> None:
    await deployment.stop_worker()
    deployment.settings = {**deployment.settings, "CLOCK_SHIFT": str(AHEAD.total_seconds())}
    deployment.start_worker("tests.faults.astray_worker.WorkerSettings")

    async with GraphQLApi(f"{deployment.url}/graphql") as api:
        ada = await log_in(api, mail_server)
        left = await api.execute(LEAVE, token=ada.token)
        assert left["requestAccountDeletion"]["__typename"] == "RequestAccountDeletionSuccess"
        await mail_server.mail_to(ADDRESS, count=2)
        await _erase_accounts(deployment)
        stays = await api.execute(STAY, token=ada.token)

    assert stays["cancelAccountDeletion"]["__typename"] == "CancelAccountDeletionSuccess"


async def _erase_accounts(deployment: Deployment) -> None:
    """Have the worker look for accounts whose grace is over, and wait until it has."""
    engine = create_engine(deployment.database_url)
    async with SqlDatabase(engine, FakeJobQueue()).begin() as work:
        job = await work.jobs.add(EraseAccountsTask())
    query = text("SELECT state FROM jobs WHERE id = :id")
    async with asyncio.timeout(10), engine.connect() as connection:
        while await connection.scalar(query, {"id": job.id}) != "done":
            await connection.rollback()
            await asyncio.sleep(0.05)  # only the table tells
    await engine.dispose()
