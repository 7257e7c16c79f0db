"""Ends the children of a supervisor that was killed: `python -m bootstrap.guardian`.

Its standard input is a pipe that only the supervisor holds open. Lines on it say which process
groups to watch; when it ends, whatever is still watched is stopped. On Linux the kernel tells the
children too (see `bootstrap.children`); this works everywhere, and it escalates.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from time import monotonic, sleep

STOP_SECONDS = 6.0
"""What all the children together get to stop by themselves."""

POLL_SECONDS = 0.05


class Guardian:
    """The supervisor's side: starts the guardian process and tells it what to watch."""

    def __init__(self, kept_open: Iterable[int] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bootstrap.guardian"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=tuple(kept_open),
        )

    def watch(self, group: int, stop_signal: signal.Signals) -> None:
        """End this process group, beginning with the given signal, should the supervisor die."""
        self._tell(f"watch {group} {int(stop_signal)}\n")

    def forget(self, group: int) -> None:
        """Leave this process group alone from now on: it has ended."""
        self._tell(f"forget {group}\n")

    def close(self) -> None:
        """Let the guardian go, when no children are left."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None and self._process.poll() is None:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


def main() -> None:
    """Watch until the supervisor's end of the pipe closes."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watched: dict[int, int] = {}
    for line in sys.stdin:
        verb, group, *rest = line.split()
        if verb == "watch":
            watched[int(group)] = int(rest[0])
        else:
            watched.pop(int(group), None)
    end(watched)


def end(watched: dict[int, int]) -> None:
    """Stop process groups in the order in which they are stopped otherwise: youngest first."""
    deadline = monotonic() + STOP_SECONDS
    for group, stop_signal in reversed(watched.items()):
        _signal(group, stop_signal)
    while any(_signal(group, 0) for group in watched) and monotonic() < deadline:
        sleep(POLL_SECONDS)
    for group in watched:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Signal a process group; whether there is one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return number == 0
    return True


if __name__ == "__main__":
    main()
