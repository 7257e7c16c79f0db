"""Tell those who wait how far they have come."""

from dataclasses import dataclass, field
from uuid import UUID

from domain.events import StoryQueued
from usecases.ports.live import EventLog, Topic
from usecases.ports.reads import Reads


@dataclass(frozen=True, slots=True)
class AnnouncePlaces:
    """Announces the places in line that have changed since it was last called.

    It remembers what it announced: call one instance, in one process, every two seconds. Another
    instance repeats the places once, which does no harm.
    """

    reads: Reads
    events: EventLog
    _announced: dict[UUID, int] = field(default_factory=dict, init=False)

    async def __call__(self) -> None:
        """Announce the new places."""
        line = await self.reads.line()
        for waiting in line:
            if self._announced.get(waiting.story_id) != waiting.place:
                topic = Topic(waiting.account_id, waiting.story_id)
                await self.events.append(topic, 0, StoryQueued(place=waiting.place))
        self._announced.clear()
        self._announced.update({waiting.story_id: waiting.place for waiting in line})
