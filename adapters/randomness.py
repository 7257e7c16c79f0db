"""The machine's source of chance."""

from secrets import randbits

SEED_BITS = 63
"""A seed fits a signed 64-bit column and is never negative."""


class SystemRandomness:
    """Implements `Randomness` by the operating system's generator."""

    def seed(self) -> int:
        """Return a story's seed."""
        return randbits(SEED_BITS)
