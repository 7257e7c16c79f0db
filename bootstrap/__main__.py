"""`python -m bootstrap`: everything that Storyloom needs, under one supervisor."""

import asyncio
import os
import subprocess
import sys
from time import monotonic

from bootstrap.console import Console
from bootstrap.engines import EngineMissing
from bootstrap.household import ROOT, Household, furnish
from bootstrap.settings_loading import read_settings
from bootstrap.sole_run import AlreadyRunning, SoleRun, sole_run
from bootstrap.supervisor import Supervisor


def main() -> int:
    """Run everything in the foreground; return the exit code."""
    started = monotonic()
    os.chdir(ROOT)
    console = Console(sys.stdout)
    try:
        with sole_run(read_settings().storyloom_home.resolve()) as run:
            household = furnish(console)
            return asyncio.run(_supervise(household, console, run, started))
    except (AlreadyRunning, EngineMissing) as fault:
        console.warn(str(fault))
    except subprocess.CalledProcessError as fault:
        console.warn(
            f"{fault.cmd[0]} failed with exit code {fault.returncode}: see its lines above"
        )
    except KeyboardInterrupt:
        return 0
    return 1


async def _supervise(household: Household, console: Console, run: SoleRun, started: float) -> int:
    return await Supervisor(household, console, run, started).run()


if __name__ == "__main__":
    sys.exit(main())
