"""Watch a story being written."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import UUID

from domain.events import ENDS, Cursor, Gap, Recorded, Snapshot, StoryFailed, Told
from domain.refusals import NotFound, UpstreamUnavailable
from usecases.ports.live import CursorLost, EventLog, Topic
from usecases.ports.reads import Reads
from usecases.ports.time_and_chance import Clock
from usecases.stories.shared import Shared
from usecases.stories.snapshot import AGAIN, Snapshots, ending


@dataclass(frozen=True, slots=True)
class FollowStory:
    """Tells all that happens to a story, from a cursor or from its present state on."""

    reads: Reads
    events: EventLog
    clock: Clock
    again: float = AGAIN
    _shown: Shared[UUID, list[Snapshot | Recorded]] = field(default_factory=Shared, init=False)
    _ended: Shared[UUID, bool] = field(default_factory=Shared, init=False)
    _retried: Shared[tuple[UUID, Cursor], bool] = field(default_factory=Shared, init=False)

    async def __call__(
        self, account_id: UUID, story_id: UUID, after: Cursor | None = None
    ) -> AsyncGenerator[Told, None]:
        """Open the tale of a story's events; close it when they are no longer wanted.

        Without `after`, and for a story that has ended, it begins with a snapshot. What the log
        has lost shows as a gap, and a snapshot after it. It ends with the story; a failure that
        was retried since is told, and gone on from. Raises NotFound; the tale raises
        FollowerTooSlow, and UpstreamUnavailable where it cannot begin.
        """
        story = await self.reads.story(account_id, story_id)
        if story is None:
            raise NotFound(path=("storyId",))
        return self._tell(account_id, story_id, None if story.status.is_end else after)

    async def _tell(
        self, account_id: UUID, story_id: UUID, after: Cursor | None
    ) -> AsyncGenerator[Told, None]:
        topic, cursor, lost = Topic(account_id, story_id), after, False
        while True:
            if cursor is None:
                shown = list(await self._show(account_id, story_id, insist=lost))
                if not shown:  # erased meanwhile
                    return
                cursor, ends = shown[0].cursor, len(shown) > 1
                while shown:  # and hold the text no longer: followers are many, and wait long
                    yield shown.pop(0)
                if ends:
                    return
            try:
                async with aclosing(self.events.follow(topic, cursor)) as log:
                    async for recorded in log:
                        if recorded is None:
                            await self._look(account_id, story_id)
                            continue
                        cursor = recorded.cursor
                        yield recorded
                        if isinstance(recorded.event, ENDS) and not await self._goes_on(
                            account_id, recorded
                        ):
                            return
            except CursorLost:
                yield Gap(cursor, self.clock.now(), story_id)
                cursor, lost = None, True

    async def _goes_on(self, account_id: UUID, end: Recorded) -> bool:
        """Whether an end is of the past: the story had failed, and was retried since."""
        if not isinstance(end.event, StoryFailed):
            return False

        async def was_retried() -> bool:
            try:
                story = await self.reads.story(account_id, end.story_id)
            except UpstreamUnavailable:
                return False  # nobody can tell: who comes again will see
            return story is not None and (
                not story.status.is_end or story.attempt > end.cursor.epoch
            )

        return await self._retried.answer((end.story_id, end.cursor), was_retried)

    async def _show(
        self, account_id: UUID, story_id: UUID, *, insist: bool
    ) -> list[Snapshot | Recorded]:
        """Take a snapshot for all who come at once, as they do when the log was lost.

        The end of a story that has ended goes with it. Raises UpstreamUnavailable, unless one
        insists.
        """
        snapshots = Snapshots(self.reads, self.events, self.clock)

        async def take() -> list[Snapshot | Recorded]:
            taken = await snapshots.of(account_id, [story_id])
            ends = [end for snapshot in taken if (end := ending(snapshot))]
            return [*taken, *ends]

        while True:
            try:
                return await self._shown.answer(story_id, take)
            except UpstreamUnavailable:
                if not insist:
                    raise
            await asyncio.sleep(self.again)

    async def _look(self, account_id: UUID, story_id: UUID) -> None:
        """Raise CursorLost where the story has ended, or is gone, and the log does not know.

        All followers of a story hear of its silences at the same time: one look serves them all.
        """

        async def has_ended() -> bool:
            try:
                story = await self.reads.story(account_id, story_id)
            except UpstreamUnavailable:
                return False  # nobody can tell: the next silence will
            return story is None or story.status.is_end

        if await self._ended.answer(story_id, has_ended):
            raise CursorLost
