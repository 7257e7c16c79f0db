"""What the kernel says of a process: what it took, and what would show a leak."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

KIBIBYTES = 1024


@dataclass(frozen=True, slots=True)
class Vitals:
    """A process at one moment; `peak` is the most memory it ever had, in MiB too."""

    pid: int
    files: int
    threads: int
    mebibytes: int
    peak: int
    cpu_seconds: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Look at it."""
        folder = Path("/proc") / str(pid)
        lines = (line.partition(":") for line in (folder / "status").read_text().splitlines())
        status = {name: value.split() for name, _, value in lines}
        ticks = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]  # user and system
        return cls(
            pid,
            files=sum(1 for _ in (folder / "fd").iterdir()),
            threads=int(status["Threads"][0]),
            mebibytes=int(status["VmRSS"][0]) // KIBIBYTES,
            peak=int(status["VmHWM"][0]) // KIBIBYTES,
            cpu_seconds=sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
        )
