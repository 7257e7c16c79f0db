"""What a person sees who runs everything at once: whole lines, each under its speaker's name."""

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

NAME_WIDTH = 9
OWN_NAME = f"{'storyloom':<{NAME_WIDTH}}|"

COLOURS = (36, 35, 33, 32, 34, 96, 95)
"""ANSI foregrounds, given to the speakers in the order in which they first speak."""

BOLD_RED = "1;31"
BOLD_GREEN = "1;32"
DIM = "2"


class Console:
    """Writes lines to a terminal, a pipe or a file, in colour where a person looks."""

    def __init__(self, out: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self._out = out
        self._colours: dict[str, int] = {}
        self.in_colour = (
            not environment.get("NO_COLOR")
            and environment.get("TERM") != "dumb"
            and (out.isatty() or bool(environment.get("FORCE_COLOR")))
        )

    def relay(self, name: str, line: str) -> None:
        """Show a line that a child wrote."""
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        self._write(f"{self._painted(f'{name:<{NAME_WIDTH}}|', str(colour))} {line}")

    def note(self, text: str) -> None:
        """Say what the supervisor does."""
        self._write(f"{self._painted(OWN_NAME, DIM)} {text}")

    def warn(self, text: str) -> None:
        """Say what went wrong and what comes of it."""
        self._write(self._painted(f"{OWN_NAME} {text}", BOLD_RED))

    def announce(self, lines: Sequence[str], last: str) -> None:
        """Show a block as it is, and the line that everybody waited for."""
        for line in lines:
            self._write(line)
        self._write(self._painted(last, BOLD_GREEN))

    def _painted(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.in_colour else text

    def _write(self, line: str) -> None:
        try:
            self._out.write(f"{line}\n")
            self._out.flush()
        except (OSError, ValueError):
            # The terminal is gone. Its end also sends SIGHUP, which stops everything in order.
            self._out = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for good
