"""A machine whose clock is wrong."""

import sys
import time
from datetime import datetime, timedelta, tzinfo
from typing import Self

OURS = {"adapters", "db", "domain", "usecases", "workers"}

true_time, true_datetime = time.time, datetime


def put_wrong(by: timedelta) -> None:
    """Set the clock of this process: `time.time`, and `datetime.now` for all of our code so far."""

    class WrongTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + by

    time.time = lambda: true_time() + by.total_seconds()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in OURS and vars(module).get("datetime") is true_datetime:
            vars(module)["datetime"] = WrongTime
