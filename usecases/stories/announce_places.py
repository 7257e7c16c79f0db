"""Tell those who wait how far they have come."""

from dataclasses import dataclass, field
from uuid import UUID

from domain.events import StoryQueued
from usecases.ports.live import EventLog, Topic
from usecases.ports.reads import PlaceInLine, Reads


@dataclass(frozen=True, slots=True)
class AnnouncePlaces:
    """Announces the places in line that have changed since it was last called.

    It remembers what it announced: call it every two seconds. Where workers do so in turn, each
    repeats a place at most once, which does no harm.
    """

    reads: Reads
    events: EventLog
    _announced: dict[UUID, int] = field(default_factory=dict, init=False)

    async def __call__(self) -> None:
        """Announce the new places; those that the log does not take now are new the next time."""
        line = await self.reads.line()
        before = dict(self._announced)
        self._announced.clear()
        for waiting in line:
            story_id, place = waiting.story_id, waiting.place
            if before.get(story_id) == place or await self._announce(waiting):
                self._announced[story_id] = place

    async def _announce(self, waiting: PlaceInLine) -> bool:
        topic, event = Topic(waiting.account_id, waiting.story_id), StoryQueued(place=waiting.place)
        return await self.events.append(topic, waiting.attempt, event) is not None
