"""Give a story up whose tries are used up."""

from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from domain.events import StoryFailed
from domain.jobs import Lease
from usecases.ports.live import EventLog, Topic
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database

CODE = "UPSTREAM_UNAVAILABLE"
MESSAGE = (
    "The storyteller could not be reached, or could not finish, after several tries. "
    "This story does not count: please ask for it again later."
)


@dataclass(frozen=True, slots=True)
class AbandonStory:
    """Ends a story as failed, and says so. The chapters that are stored stay."""

    database: Database
    events: EventLog
    clock: Clock

    async def __call__(self, story_id: UUID, lease: Lease, reason: str) -> None:
        """Mark it failed, unless it has ended; `reason` is for the log. Raises LeaseLost."""
        async with self.database.begin(lease) as work:
            story = await work.stories.lock(story_id)
            if story is None or story.status.is_end:
                return
            story.fail(CODE, MESSAGE, self.clock.now())
            chapters = len(await work.stories.chapters(story_id))
        logger.bind(story_id=str(story_id), reason=reason).error("A story was given up")
        await self.events.append(
            Topic(story.account_id, story_id),
            story.attempt,
            StoryFailed(code=CODE, message=MESSAGE, blocked=False, chapters=chapters),
        )
