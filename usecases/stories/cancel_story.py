"""Cancel a story that waits or is being written."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.events import StoryCanceled
from domain.refusals import NotFound, Path
from domain.stories import Story
from usecases.ports.live import EventLog, Topic
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database
from usecases.stories.write_story import WriteStoryTask

STORY_ID: Path = ("input", "storyId")


@dataclass(frozen=True, slots=True)
class CancelStory:
    """Ends a story for its owner; its worker stops, and with it a paid request."""

    database: Database
    events: EventLog
    clock: Clock

    async def __call__(self, account_id: UUID, story_id: UUID) -> Story:
        """Cancel it. Raises NotFound or NotCancelable."""
        async with self.database.begin() as work:
            story = await work.stories.get(story_id)
            if story is None or story.account_id != account_id:
                raise NotFound(path=STORY_ID)
            # The job before the story, as its worker locks them.
            await work.jobs.cancel(WriteStoryTask, str(story_id))
            story = await work.stories.lock(story_id)
            if story is None:
                raise NotFound(path=STORY_ID)
            story.cancel(self.clock.now())
            chapters = len(await work.stories.chapters(story_id))
        logger.bind(story_id=str(story_id)).info("A story was canceled")
        topic = Topic(account_id, story_id)
        await self.events.append(topic, story.attempt, StoryCanceled(chapters=chapters))
        return story
