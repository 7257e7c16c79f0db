"""Jobs that keep the house in order, on a schedule."""

from datetime import timedelta
from typing import Protocol

from domain.jobs import Lease, Schedule
from usecases.accounts.erase_accounts import EraseAccountsTask
from usecases.maintenance.sweep import SweepTask
from workers.runner import Handler

HOUR = timedelta(hours=1)

SCHEDULES = (
    Schedule(name="sweep", every=HOUR, task=SweepTask()),
    Schedule(name="erase_accounts", every=HOUR, task=EraseAccountsTask()),
)


class MaintenanceDuties(Protocol):
    """What these jobs call."""

    async def sweep(self) -> object:
        """Remove what is long over."""
        ...

    async def erase_accounts(self) -> object:
        """Close and erase accounts that are due."""
        ...


def sweep(duties: MaintenanceDuties) -> Handler:
    """Sweep; the next turn makes good what this one leaves."""

    async def run(_: SweepTask, __: Lease) -> None:
        await duties.sweep()

    return Handler(SweepTask, run)


def erase_accounts(duties: MaintenanceDuties) -> Handler:
    """Erase accounts; the next turn makes good what this one leaves."""

    async def run(_: EraseAccountsTask, __: Lease) -> None:
        await duties.erase_accounts()

    return Handler(EraseAccountsTask, run)
