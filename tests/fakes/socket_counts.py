"""Counts of sockets in memory."""

from collections import Counter


class FakeSocketCounts:
    """Implements `SocketCounts`; `counts` is what is held now."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def claim(self, holder: str, most: int) -> bool:
        if self.counts[holder] >= most:
            return False
        self.counts[holder] += 1
        return True

    async def release(self, holder: str) -> None:
        self.counts[holder] -= 1
        if not self.counts[holder]:
            del self.counts[holder]
