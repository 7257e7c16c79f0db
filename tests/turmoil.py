"""A story that is written and followed while everything around it fails.

The plan is a list of disturbances; one happens before each chunk that the storyteller tells, and
before each event that the reader takes. At the end the storm is over, and the reader must end with
exactly the stored text.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from copy import deepcopy
from dataclasses import dataclass, field
from uuid import UUID

from domain.briefs import StoryBrief
from domain.events import Told
from domain.stories import PlannedChapter, StoryPlan, TokenUsage
from tests.story_reader import StoryReader
from usecases.ports.storytelling import Assignment, StorytellerFault
from usecases.stories.follow_story import FollowStory

CHAPTERS, SENTENCES = 3, 3

DIE = "die"
RECONNECT = "reconnect"
COME_BACK_LATE = "come back late"
"""With a cursor, and the text, of some while ago."""


@dataclass
class Storm:
    """What is still to happen, and who makes it happen."""

    plan: list[str]
    makers: Mapping[str, Callable[[], Awaitable[object]]]
    drop: asyncio.Event = field(default_factory=asyncio.Event)
    late: bool = False

    async def strike(self) -> None:
        """Let the next disturbance happen; death comes as a fault of the storyteller."""
        if not self.plan:
            return
        what = self.plan.pop(0)
        if what == DIE:
            raise StorytellerFault("KILLED", "Gone.")
        if what in {RECONNECT, COME_BACK_LATE}:
            self.late = what == COME_BACK_LATE
            self.drop.set()
        elif what in self.makers:
            await self.makers[what]()
        await asyncio.sleep(0)


class StormyStoryteller:
    """Tells other words at each attempt, and is struck before each chunk."""

    name = "stormy"
    model = None

    def __init__(self, storm: Storm) -> None:
        self._storm = storm
        self._told = 0

    async def plan(self, brief: StoryBrief, seed: int) -> tuple[StoryPlan, TokenUsage]:
        del brief, seed
        await self._storm.strike()
        chapter = PlannedChapter(title="On", summary="It goes on.")
        return StoryPlan(title="Storm", chapters=(chapter,) * CHAPTERS), TokenUsage()

    async def tell(self, assignment: Assignment) -> AsyncGenerator[str | TokenUsage, None]:
        self._told += 1
        for sentence in range(SENTENCES):
            await self._storm.strike()
            yield f"{assignment.number}.{sentence} told {self._told} \U0001f98a. "
        await self._storm.strike()
        yield TokenUsage()


async def read_to_the_end(
    follow: FollowStory, account_id: UUID, story_id: UUID, storm: Storm
) -> StoryReader:
    """Follow the story like a client on a bad line; return what it has at the end."""
    reader, earlier = StoryReader(), [StoryReader()]
    while not reader.ended:
        storm.drop.clear()
        tale = await follow(account_id, story_id, reader.cursor)
        async with aclosing(tale):
            while not (reader.ended or storm.drop.is_set()):
                told = await _next(tale, storm.drop)
                if told is None:
                    break
                reader.read(told)
                if not reader.awaits_snapshot:
                    earlier.append(deepcopy(reader))
        if not reader.ended:
            # A client keeps text and cursor together: both of some earlier moment.
            reader = deepcopy(earlier[len(earlier) // 2 if storm.late else -1])
    return reader


async def _next(tale: AsyncGenerator[Told, None], drop: asyncio.Event) -> Told | None:
    """Return what is told next, or None when the line is cut before."""
    coming = asyncio.ensure_future(anext(tale))
    cut = asyncio.ensure_future(drop.wait())
    await asyncio.wait({coming, cut}, return_when=asyncio.FIRST_COMPLETED)
    cut.cancel()
    if coming.done():
        return coming.result()
    coming.cancel()
    await asyncio.wait({coming})
    return None if coming.cancelled() else coming.result()
