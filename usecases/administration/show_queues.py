"""Show what waits and runs."""

from dataclasses import dataclass

from usecases.ports.reads import QueueLoad, Reads


@dataclass(frozen=True, slots=True)
class ShowQueues:
    """Tells operators how many jobs each queue holds, and how long the oldest has waited."""

    reads: Reads

    async def __call__(self) -> list[QueueLoad]:
        """Return them, in the order of `Queue`."""
        return await self.reads.queues()
