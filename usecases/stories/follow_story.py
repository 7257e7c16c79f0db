"""Watch a story being written."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from domain.events import ENDS, Cursor, Gap, Told
from domain.refusals import NotFound
from domain.stories import Story
from usecases.ports.live import CursorLost, EventLog, Topic
from usecases.ports.reads import Reads
from usecases.ports.time_and_chance import Clock
from usecases.stories.snapshot import Snapshots, ending


@dataclass(frozen=True, slots=True)
class FollowStory:
    """Tells all that happens to a story, from a cursor or from its present state on."""

    reads: Reads
    events: EventLog
    clock: Clock

    async def __call__(
        self, account_id: UUID, story_id: UUID, after: Cursor | None = None
    ) -> AsyncGenerator[Told, None]:
        """Open the tale of a story's events; close it when they are no longer wanted.

        Without `after`, and for a story that has ended, it begins with a snapshot. What the log
        has lost shows as a gap, and a snapshot after it. It ends with the story. Raises NotFound;
        the tale raises FollowerTooSlow.
        """
        story = await self.reads.story(account_id, story_id)
        if story is None:
            raise NotFound(path=("storyId",))
        return self._tell(story, None if story.status.is_end else after)

    async def _tell(self, story: Story, after: Cursor | None) -> AsyncGenerator[Told, None]:
        topic, cursor = Topic(story.account_id, story.id), after
        while True:
            if cursor is None:
                taken = await Snapshots(self.reads, self.events, self.clock).of(
                    story.account_id, [story.id]
                )
                if not taken:  # erased meanwhile
                    return
                yield taken[0]
                if end := ending(taken[0]):
                    yield end
                    return
                cursor = taken[0].cursor
            try:
                async with aclosing(self.events.follow(topic, cursor)) as log:
                    async for recorded in log:
                        if recorded is None:
                            await self._look(story)
                            continue
                        cursor = recorded.cursor
                        yield recorded
                        if isinstance(recorded.event, ENDS):
                            return
            except CursorLost:
                yield Gap(cursor, self.clock.now(), story.id)
                cursor = None

    async def _look(self, story: Story) -> None:
        """Raise CursorLost where the story has ended, or is gone, and the log does not know."""
        now = await self.reads.story(story.account_id, story.id)
        if now is None or now.status.is_end:
            raise CursorLost
