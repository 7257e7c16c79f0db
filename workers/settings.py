"""The worker of this service, made from its settings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import uvloop

from bootstrap.container import open_container
from bootstrap.duties import open_duties
from bootstrap.logs import configure_logs
from bootstrap.settings import Settings
from bootstrap.settings_loading import load_settings
from workers.crew import at_work
from workers.deliveries import send_delivery
from workers.maintenance import SCHEDULES, erase_accounts, sweep
from workers.process import arq_settings
from workers.relay import Relay
from workers.runner import Runner
from workers.sessions import announce_ends
from workers.stories import write_story
from workers.turns import InTurn

LINE_PACE = timedelta(seconds=2)
"""How often those who wait are told their places at most (product rule: every 2 s)."""


def worker_settings() -> dict[str, Any]:
    """Read the settings and return what `arq` runs. Raises SettingsInvalid."""
    settings = load_settings()
    asyncio.set_event_loop(uvloop.new_event_loop())  # arq takes the loop that it finds
    return arq_settings(
        settings.redis_url,
        lambda: _crew(settings),
        slots=settings.worker_queues,
        drain_seconds=settings.drain_seconds,
    )


@asynccontextmanager
async def _crew(settings: Settings) -> AsyncIterator[Runner]:
    configure_logs(settings)  # arq's command has set up logs of its own before
    async with (
        open_container(settings, part="worker") as container,
        open_duties(container) as duties,
    ):
        desk = container.job_desk
        handlers = (
            write_story(duties),
            send_delivery(duties),
            announce_ends(duties),
            sweep(duties),
            erase_accounts(duties),
        )
        lease = timedelta(seconds=settings.job_lease_seconds)
        runner = Runner(desk, container.job_queue, handlers, beat=lease / 3)
        relay = Relay(desk, container.job_queue, runner.known, SCHEDULES)
        turns = [InTurn(container.redis, "places", duties.announce_places, LINE_PACE)]
        async with at_work(runner, relay, turns, container.redis):
            yield runner
