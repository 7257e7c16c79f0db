"""arq's queue in Redis: it wakes workers, and holds nothing that PostgreSQL does not know."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

import orjson
from arq.connections import ArqRedis, RedisSettings
from loguru import logger
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from domain.jobs import Job

FUNCTION = "run_job"
"""The one arq function: its argument is the id of a job, which says the rest."""

CALL_OFF = "storyloom:jobs:call-off"
"""The channel that tells all workers which jobs to stop."""

RECONNECT_SECONDS = 0.5
LISTEN_SECONDS = 1.0


def pack(message: Any) -> bytes:  # noqa: ANN401 - arq's messages are its own affair
    """Write arq's messages as JSON: whoever can write to Redis must not run code here."""
    return orjson.dumps(message, default=str)


unpack = orjson.loads


def arq_redis_settings(url: str) -> RedisSettings:
    """Return arq's settings for `redis://...`, with which its worker outlives a Redis restart."""
    settings = RedisSettings.from_dsn(url)
    settings.retry = Retry(ExponentialBackoff(cap=1, base=0.05), retries=10)
    settings.retry_on_error = [RedisConnectionError, RedisTimeoutError, OSError]
    settings.retry_on_timeout = True
    settings.conn_retries = 30
    return settings


class ArqQueue:
    """Implements `JobQueue`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._arq = ArqRedis(redis.connection_pool, job_serializer=pack, job_deserializer=unpack)

    async def wake(self, jobs: Sequence[Job]) -> None:
        """Have a worker look at each of the jobs.

        Wake-ups for the same turn of a job fall together: a turn is an attempt and when it is due,
        as a job that was handed back is due anew.
        """
        for job in jobs:
            turn = f"{job.id}:{job.attempt}:{job.run_at.timestamp():.6f}"
            await self._arq.enqueue_job(FUNCTION, str(job.id), _job_id=turn)

    async def call_off(self, job_ids: Sequence[UUID]) -> None:
        """Tell all workers to stop these jobs now."""
        await self._redis.publish(CALL_OFF, pack(job_ids))


async def called_off(redis: Redis) -> AsyncGenerator[UUID, None]:
    """Yield each job that is called off, for ever, over all faults of Redis.

    A call that is lost meanwhile costs time: the job's next heartbeat finds its lease gone.
    """
    while True:
        try:
            async with redis.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(CALL_OFF)
                async with aclosing(_messages(channel)) as messages:
                    async for message in messages:
                        for job_id in unpack(message):
                            yield UUID(job_id)
        except (RedisError, OSError) as error:
            logger.bind(error=type(error).__name__).warning("Cannot listen for called-off jobs")
            await asyncio.sleep(RECONNECT_SECONDS)


async def _messages(channel: PubSub) -> AsyncGenerator[bytes, None]:
    while True:
        # Without a time-out a connection that died silently would be waited on for ever.
        message = await channel.get_message(timeout=LISTEN_SECONDS)
        if message is not None:
            yield message["data"]
