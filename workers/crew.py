"""All that goes on in a worker: jobs, and what keeps them going."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from loguru import logger
from redis.asyncio import Redis

from adapters.heartbeat import BEAT, Heartbeat
from adapters.listening import stop
from adapters.queue import called_off
from workers.relay import Relay
from workers.runner import Runner, describe
from workers.turns import InTurn


@asynccontextmanager
async def at_work(
    runner: Runner, relay: Relay, turns: Sequence[InTurn], redis: Redis
) -> AsyncIterator[Runner]:
    """Keep a worker going for as long as the block lasts; `turns` are what workers do in turn."""
    heartbeat = Heartbeat(redis)
    chores = [
        asyncio.create_task(chore)
        for chore in (
            relay(),
            *(chore() for chore in turns),
            _show_life(heartbeat),
            _obey(runner, redis),
        )
    ]
    try:
        yield runner
    finally:
        await asyncio.gather(*(stop(chore) for chore in chores))
        with suppress(Exception):
            async with asyncio.timeout(1):
                await heartbeat.stop()


async def _show_life(heartbeat: Heartbeat) -> None:
    while True:
        try:
            await heartbeat.beat()
        except Exception as error:  # noqa: BLE001 - Redis is away, and will be back
            logger.bind(error=describe(error)).warning("Worker cannot show that it lives")
        await asyncio.sleep(BEAT.total_seconds())


async def _obey(runner: Runner, redis: Redis) -> None:
    async for job_id in called_off(redis):
        runner.call_off(job_id)
