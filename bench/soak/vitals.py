"""What the kernel says of a process, as far as it shows a leak."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

KIBIBYTES = 1024


@dataclass(frozen=True, slots=True)
class Vitals:
    """A process at one moment."""

    pid: int
    files: int
    threads: int
    mebibytes: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """Look at it."""
        folder = Path("/proc") / str(pid)
        lines = (line.partition(":") for line in (folder / "status").read_text().splitlines())
        status = {name: value.split() for name, _, value in lines}
        return cls(
            pid,
            files=sum(1 for _ in (folder / "fd").iterdir()),
            threads=int(status["Threads"][0]),
            mebibytes=int(status["VmRSS"][0]) // KIBIBYTES,
        )
