"""arq as it comes, to measure ours against: `POLL_DELAY=0.5 arq bench.plain_worker.WorkerSettings`.

Its queue is in Redis alone.
"""

import os
import sys
import time
from typing import Any, ClassVar

from arq.connections import RedisSettings


async def note(_: dict[str, Any], number: int) -> None:
    """Say when it began."""
    sys.stdout.write(f"{number} {time.monotonic()}\n")
    sys.stdout.flush()


class WorkerSettings:
    """arq's defaults, but for the poll delay that is measured."""

    functions: ClassVar = [note]
    redis_settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])
    poll_delay = float(os.environ["POLL_DELAY"])
