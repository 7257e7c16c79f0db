"""Data loaders: one statement for all objects that one step of an operation asks for."""

from uuid import UUID

from strawberry.dataloader import DataLoader

from domain.stories import Chapter
from usecases.ports.reads import Reads


class Loaders:
    """The loaders of one operation: they remember what they read, so they never outlive it.

    `chapters` are a story's stored ones by number, `places` its place in line while it waits.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self.chapters: DataLoader[UUID, list[Chapter]] = DataLoader(self._chapters)
        self.places: DataLoader[UUID, int | None] = DataLoader(self._places)

    async def _chapters(self, story_ids: list[UUID]) -> list[list[Chapter]]:
        found = await self._reads.chapters(story_ids)
        return [found[key] for key in story_ids]

    async def _places(self, story_ids: list[UUID]) -> list[int | None]:
        found = await self._reads.places(story_ids)
        return [found.get(key) for key in story_ids]
