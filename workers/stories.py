"""Jobs about stories."""

from typing import Protocol
from uuid import UUID

from domain.jobs import Lease
from usecases.stories.write_story import WriteStoryTask
from workers.runner import Handler


class StoryDuties(Protocol):
    """What these jobs call."""

    async def write_story(self, story_id: UUID, lease: Lease) -> None:
        """Write the story, or go on with it."""
        ...

    async def abandon_story(self, story_id: UUID, lease: Lease, reason: str) -> None:
        """Record that it cannot be written."""
        ...


def write_story(duties: StoryDuties) -> Handler:
    """Write a story."""

    async def run(task: WriteStoryTask, lease: Lease) -> None:
        await duties.write_story(task.story_id, lease)

    async def abandon(task: WriteStoryTask, lease: Lease, reason: str) -> None:
        await duties.abandon_story(task.story_id, lease, reason)

    return Handler(WriteStoryTask, run, abandon)
