"""The service's own worker, on a machine whose clock is wrong by CLOCK_SHIFT seconds."""

import os
from datetime import timedelta

import adapters.clock  # noqa: F401 - who else has a `datetime` of ours compares others with it
from tests.faults.wrong_clock import put_wrong

put_wrong(timedelta(seconds=float(os.environ["CLOCK_SHIFT"])))

# What follows tells the time by the clock that was set above.
from workers.settings import worker_settings  # noqa: E402

WorkerSettings = worker_settings()
