"""Where jobs are run: `arq workers.WorkerSettings`."""

from typing import Any


def __getattr__(name: str) -> dict[str, Any]:
    """Make WorkerSettings when arq asks for them: importing a worker's parts reads no settings."""
    if name != "WorkerSettings":
        raise AttributeError(name)
    from workers.settings import worker_settings  # noqa: PLC0415 - for the same reason

    return worker_settings()
