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
from bootstrap.settings import Settings, load_settings
from workers.crew import at_work
from workers.deliveries import send_delivery
from workers.line import LineAnnouncer
from workers.process import arq_settings
from workers.relay import Relay
from workers.runner import Runner
from workers.stories import write_story


def worker_settings() -> dict[str, Any]:
    """Read the settings and return what `arq` runs. Raises SettingsInvalid."""
    settings = load_settings()
    asyncio.set_event_loop(uvloop.new_event_loop())  # arq takes the loop that it finds
    return arq_settings(
        settings.redis_url,
        lambda: _crew(settings),
        concurrency=settings.worker_concurrency,
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
        handlers = {"write_story": write_story(duties), "send_delivery": send_delivery(duties)}
        lease = timedelta(seconds=settings.job_lease_seconds)
        runner = Runner(desk, handlers, container.clock, beat=lease / 3)
        relay = Relay(desk, container.job_queue)
        line = LineAnnouncer(container.redis, duties.announce_places)
        async with at_work(runner, relay, line, container.redis):
            yield runner
