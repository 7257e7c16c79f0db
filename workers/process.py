"""arq's part: it starts and stops the process, and calls the runner for each wake-up."""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any
from uuid import UUID

from arq import func

from adapters.queue import FUNCTION, arq_redis_settings, pack, unpack
from workers.runner import Runner

Crew = Callable[[], AbstractAsyncContextManager[Runner]]
"""Opens all that a worker works with, and closes it when the worker ends."""

LONGEST_JOB_SECONDS = 24 * 60 * 60
"""Jobs have time-outs of their own: arq's would end one as if the worker had to stop."""


def arq_settings(
    redis_url: str, crew: Crew, *, concurrency: int, drain_seconds: float
) -> dict[str, Any]:
    """Return what arq's worker needs to run the jobs that the crew can do.

    When it must stop, jobs have `drain_seconds` to come to their end; then they are handed back.
    """

    async def start(ctx: dict[str, Any]) -> None:
        logging.getLogger("arq").setLevel(logging.WARNING)  # the runner says more of each job
        ctx["open"] = stack = AsyncExitStack()
        ctx["runner"] = await stack.enter_async_context(crew())

    async def stop(ctx: dict[str, Any]) -> None:
        await ctx["open"].aclose()

    return {
        "functions": [func(_run_job, name=FUNCTION, keep_result=0, timeout=LONGEST_JOB_SECONDS)],
        "redis_settings": arq_redis_settings(redis_url),
        "job_serializer": pack,
        "job_deserializer": unpack,
        "on_startup": start,
        "on_shutdown": stop,
        "max_jobs": concurrency,
        "job_completion_wait": drain_seconds,
        "poll_delay": 0.05,
        "health_check_interval": 10,
    }


async def _run_job(ctx: dict[str, Any], job_id: str) -> None:
    await ctx["runner"](UUID(job_id))
