"""arq's queues in Redis: they wake workers, and hold nothing that PostgreSQL does not know."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

import orjson
from arq.connections import ArqRedis, RedisSettings
from arq.utils import timestamp_ms
from loguru import logger
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from adapters.listening import PULSE, messages
from adapters.redis_pool import SILENCE, patient_pool
from domain.jobs import Job, Terms

CALL_OFF = "storyloom:jobs:call-off"
"""The channel that tells all workers which jobs to stop."""

RECONNECT_SECONDS = 0.5


def pack(message: Any) -> bytes:  # noqa: ANN401 - arq's messages are its own affair
    """Write arq's messages as JSON: whoever can write to Redis must not run code here."""
    return orjson.dumps(message, default=str)


unpack = orjson.loads


def arq_redis_settings(url: str) -> RedisSettings:
    """Return arq's settings for `redis://...`, as its `--check` needs them."""
    settings = RedisSettings.from_dsn(url)
    settings.retry = Retry(ExponentialBackoff(cap=1, base=0.05), retries=10)
    settings.retry_on_error = [RedisConnectionError, RedisTimeoutError, OSError]
    settings.retry_on_timeout = True
    settings.conn_retries = 30
    return settings


def arq_redis(url: str, silence: float = SILENCE) -> ArqRedis:
    """Return a client of arq's for the permits: where Redis falls silent, it is left in time."""
    return ArqRedis(patient_pool(url, silence), job_serializer=pack, job_deserializer=unpack)


def permits(jobs: Job | Terms) -> str:
    """Return the key where permits for such jobs lie: only workers that know them wait there."""
    return f"storyloom:{jobs.queue}:{jobs.kind}:{jobs.version}"


class ArqQueue:
    """Implements `JobQueue`.

    What it puts there are permits: each lets a worker take one job of the queue, whichever is next
    then.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def wake(self, jobs: Sequence[Job]) -> None:
        """Put a permit there for each of the jobs, unless it lies there already."""
        given: dict[str, dict[str, int]] = {}
        now = timestamp_ms()
        for job in jobs:
            given.setdefault(permits(job), {})[f"{job.id}:{job.attempt}"] = now
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, scores in given.items():
                pipeline.zadd(key, scores)
            await pipeline.execute()

    async def call_off(self, job_ids: Sequence[UUID]) -> None:
        """Tell all workers to stop these jobs now."""
        await self._redis.publish(CALL_OFF, pack(job_ids))


async def called_off(redis: Redis, pulse: float = PULSE) -> AsyncGenerator[UUID, None]:
    """Yield each job that is called off, for ever, over all faults of Redis.

    A call that is lost meanwhile costs time: the job's next heartbeat finds its lease gone.
    """
    while True:
        try:
            async with redis.pubsub() as channel:
                await channel.subscribe(CALL_OFF)
                async with aclosing(messages(channel, pulse)) as heard:
                    async for message in heard:
                        if message["type"] == "message":
                            for job_id in _jobs(message["data"]):
                                yield job_id
        except (RedisError, OSError) as error:
            logger.bind(error=type(error).__name__).warning("Cannot listen for called-off jobs")
            await asyncio.sleep(RECONNECT_SECONDS)


def _jobs(message: bytes) -> list[UUID]:
    try:
        return [UUID(job_id) for job_id in unpack(message)]
    except (ValueError, TypeError, AttributeError):
        logger.warning("A call to stop jobs could not be read")
        return []
