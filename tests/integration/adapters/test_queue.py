"""arq's queues on a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from adapters.queue import CALL_OFF, ArqQueue, arq_redis_settings, called_off, permits
from domain.jobs import Job, Queue
from tests.fakes.clock import START
from tests.servers import Server


def a_job(**known: object) -> Job:
    return Job.model_validate(
        {
            "kind": "send_delivery",
            "task": {},
            "queue": Queue.MAIL,
            "dedupe_key": "1",
            "created_at": START,
            "run_at": START,
            "deadline": START + timedelta(days=2),
            **known,
        }
    )


async def test_a_job_wakes_by_a_permit_those_that_know_it(redis: Redis) -> None:
    mail, newer, story = a_job(), a_job(version=2), a_job(queue=Queue.STORIES)
    await ArqQueue(redis).wake([mail, newer, story, a_job()])
    assert [await redis.zcard(permits(job)) for job in (mail, newer, story)] == [2, 1, 1]
    assert await redis.dbsize() == 3, "nothing else is stored"


async def test_permits_for_one_attempt_fall_together(redis: Redis) -> None:
    queue, job = ArqQueue(redis), a_job()
    await queue.wake([job, job])
    await asyncio.gather(*(queue.wake([job]) for _ in range(5)))
    assert await redis.zcard(permits(job)) == 1
    await queue.wake([job.model_copy(update={"attempt": 1})])
    assert await redis.zcard(permits(job)) == 2


async def test_nothing_is_sent_where_nobody_is_to_be_woken(redis: Redis) -> None:
    await ArqQueue(redis).wake([])
    assert await redis.dbsize() == 0


async def test_jobs_are_called_off_by_message(redis: Redis) -> None:
    jobs = [uuid7(), uuid7()]
    calls = called_off(redis)
    first = asyncio.ensure_future(anext(calls))
    await _is_heard(redis)
    await ArqQueue(redis).call_off(jobs)
    async with asyncio.timeout(5):
        assert [await first, await anext(calls)] == jobs
    await calls.aclose()


@pytest.mark.parametrize("rubbish", [b"", b"\xff", b"7", b"[7]", b'["no id"]', b'{"a": 1}'])
async def test_rubbish_does_not_deafen_who_listens(redis: Redis, rubbish: bytes) -> None:
    job_id, calls = uuid7(), called_off(redis)
    call = asyncio.ensure_future(anext(calls))
    await _is_heard(redis)
    await redis.publish(CALL_OFF, rubbish)
    await ArqQueue(redis).call_off([job_id])
    async with asyncio.timeout(5):
        assert await call == job_id
    await calls.aclose()


async def test_calling_off_is_heard_again_after_a_restart(own_redis: Server) -> None:
    job_id = uuid7()
    async with Redis.from_url(own_redis.url) as redis:
        calls = called_off(redis)
        call = asyncio.ensure_future(anext(calls))
        await _is_heard(redis)
        await own_redis.restart()
        await _is_heard(redis)
        await ArqQueue(redis).call_off([job_id])
        async with asyncio.timeout(5):
            assert await call == job_id
        await calls.aclose()


def test_a_worker_is_told_to_survive_faults_of_redis() -> None:
    settings = arq_redis_settings("rediss://user:secret@cache.example.org:6380/3")
    assert (settings.host, settings.port, settings.database) == ("cache.example.org", 6380, 3)
    assert (settings.username, settings.password, settings.ssl) == ("user", "secret", True)
    assert settings.retry is not None
    assert settings.retry_on_error
    assert settings.retry_on_timeout


async def _is_heard(redis: Redis) -> None:
    """Wait until somebody listens: Redis tells it to whom it asks only."""
    async with asyncio.timeout(10):
        async for listeners in _listeners(redis):
            if listeners:
                return


async def _listeners(redis: Redis) -> AsyncIterator[int]:
    while True:
        ((_, count),) = await redis.pubsub_numsub(CALL_OFF)
        yield count
        await asyncio.sleep(0.02)
