"""A provider's slots in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from usecases.ports.jobs import Retry


class FakeProviderSlots:
    """Implements `ProviderSlots`: `held` says whose slots are held now, `most` how many at most."""

    def __init__(self, limits: Mapping[str, int] | None = None) -> None:
        self._free = {name: asyncio.Semaphore(limit) for name, limit in (limits or {}).items()}
        self._timeouts: list[asyncio.Timeout] = []
        self.held: list[str] = []
        self.most = 0

    @asynccontextmanager
    async def hold(self, provider: str) -> AsyncIterator[None]:
        async with self._free.get(provider, asyncio.Semaphore()):
            lost = asyncio.timeout(None)
            self.held.append(provider)
            self.most = max(self.most, len(self.held))
            self._timeouts.append(lost)
            try:
                async with lost:
                    yield
            except TimeoutError:
                if lost.expired():
                    raise Retry("slot of the provider was lost") from None
                raise
            finally:
                self._timeouts.remove(lost)
                self.held.remove(provider)

    def lose_all(self) -> None:
        """Let every slot that is held be lost, as by a worker that could not renew it."""
        for lost in self._timeouts:
            lost.reschedule(0)
