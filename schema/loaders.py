"""Data loaders: one statement for all objects that one step of an operation asks for."""

from uuid import UUID

from strawberry.dataloader import DataLoader

from domain.events import Snapshot
from domain.stories import Chapter
from usecases.catalog import UseCases
from usecases.ports.reads import Reads


class Loaders:
    """The loaders of one operation: they remember what they read, so they never outlive it.

    `chapters` are a story's stored ones by number, `places` its place in line while it waits.
    `progress` is asked for by the owner and the story; None where it is not known.
    """

    def __init__(self, reads: Reads, use_cases: UseCases) -> None:
        self._reads, self._use_cases = reads, use_cases
        self.chapters: DataLoader[UUID, list[Chapter]] = DataLoader(self._chapters)
        self.places: DataLoader[UUID, int | None] = DataLoader(self._places)
        self.progress: DataLoader[tuple[UUID, UUID], Snapshot | None] = DataLoader(self._progress)

    async def _chapters(self, story_ids: list[UUID]) -> list[list[Chapter]]:
        found = await self._reads.chapters(story_ids)
        return [found[key] for key in story_ids]

    async def _places(self, story_ids: list[UUID]) -> list[int | None]:
        found = await self._reads.places(story_ids)
        return [found.get(key) for key in story_ids]

    async def _progress(self, stories: list[tuple[UUID, UUID]]) -> list[Snapshot | None]:
        shown: dict[UUID, Snapshot] = {}
        for account_id in {account_id for account_id, _ in stories}:
            keys = [key for owner, key in stories if owner == account_id]
            shown |= await self._use_cases.show_progress(account_id, keys)
        return [shown.get(key) for _, key in stories]
