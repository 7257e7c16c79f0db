"""Watch all of an account's stories."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.events import (
    ENDS,
    Cursor,
    Gap,
    LibrarySnapshot,
    Recorded,
    Snapshot,
    StoryQueued,
    Told,
)
from domain.refusals import UpstreamUnavailable
from domain.stories import StoryStatus
from usecases.ports.live import CursorLost, EventLog, LogAway, Topic
from usecases.ports.reads import Reads, StoriesPage
from usecases.ports.time_and_chance import Clock
from usecases.stories.snapshot import AGAIN, NOWHERE, Snapshots, ending, shows_all

UNFINISHED = tuple(status for status in StoryStatus if not status.is_end)
MOST_STORIES = 100

START, LAST = Cursor(-1, 0), 2**63
"""Before all places of a log, and a sequence after all of an epoch."""

AWAY = Cursor(0, NOWHERE)
"""A place that no log can go on from: who comes back with it gets a gap, and all anew."""


@dataclass(frozen=True, slots=True)
class FollowAccount:
    """Tells all that happens to an account's stories, from a cursor or from now on."""

    reads: Reads
    events: EventLog
    clock: Clock
    again: float = AGAIN

    async def __call__(
        self, account_id: UUID, after: Cursor | None = None
    ) -> AsyncGenerator[Told, None]:
        """Open the tale of an account's events; close it when they are no longer wanted.

        Without `after` it begins with a snapshot of all unfinished stories. What the log has lost
        shows as a gap, and such a snapshot after it. It has no end of itself, and raises
        FollowerTooSlow, and UpstreamUnavailable where it cannot begin.
        """
        return _Tale(self, Topic(account_id)).tell(after)


@dataclass(slots=True)
class _Tale:
    """One follower's way through the log.

    `shown` says how far a snapshot showed each story: events up to there are not told again. It is
    None while no snapshot was needed, as the follower then knows its stories from before. The log
    repeats them up to `shown_to`, and the ends of those in `to_repeat` later still. Who came back
    with a place before that would be told twice: no such place is given out.

    `unfinished` are the stories whose end the follower waits for. `caught_up` says that it hears of
    those that ended before it came.
    """

    tools: FollowAccount
    topic: Topic
    shown: dict[UUID, Cursor] | None = None
    shown_to: Cursor = START
    to_repeat: set[UUID] = field(default_factory=set)
    unfinished: set[UUID] = field(default_factory=set)
    caught_up: bool = False

    async def tell(self, after: Cursor | None) -> AsyncGenerator[Told, None]:
        cursor, lost = after, False
        if after is not None:
            await self._catch_up()
        while True:
            if cursor is None:
                library = await self._library(insist=lost)
                cursor, self.shown, self.unfinished = library.cursor, {}, set()
                self.to_repeat, self.caught_up = set(), True
                ends = [end for shown in library.stories if (end := self._show(shown))]
                place = self._place(cursor)
                shown = tuple(replace(one, cursor=place) for one in library.stories)
                yield replace(library, cursor=place, stories=shown)
                del library, shown  # and hold no text: followers are many, and wait long
                for end in ends:
                    yield replace(end, cursor=place)
            try:
                async with aclosing(self.tools.events.follow(self.topic, cursor)) as log:
                    async for recorded in log:
                        if recorded is None:
                            await self._look()
                            continue
                        cursor = recorded.cursor
                        async for told in self._hear(recorded):
                            yield told
            except (CursorLost, UpstreamUnavailable):
                yield Gap(self._place(cursor), self.tools.clock.now())
                cursor, lost = None, True

    async def _library(self, *, insist: bool) -> LibrarySnapshot:
        """Take a snapshot of all. Raises UpstreamUnavailable, unless one insists."""
        while True:
            try:
                return await self._take_library()
            except UpstreamUnavailable:
                if not insist:
                    raise
            await asyncio.sleep(self.tools.again)

    async def _take_library(self) -> LibrarySnapshot:
        """Take the place in the log first, then the stories, then see how far they show it."""
        cursor = await self._position()
        page = StoriesPage(self.topic.account_id, MOST_STORIES, statuses=UNFINISHED)
        stories = [story.id for story in await self.tools.reads.stories_of(page)]
        taken = await self._take(stories)
        self.shown_to = await self._position()
        if self.shown_to == AWAY or not all(map(shows_all, taken)):
            cursor = AWAY
        return LibrarySnapshot(cursor, self.tools.clock.now(), tuple(taken))

    async def _position(self) -> Cursor:
        try:
            return await self.tools.events.position(self.topic)
        except LogAway:
            return AWAY

    def _place(self, cursor: Cursor) -> Cursor:
        """Return what to come back with after an event at that place of the log."""
        return AWAY if self.to_repeat or cursor < self.shown_to else cursor

    async def _hear(self, recorded: Recorded) -> AsyncGenerator[Told, None]:
        """Tell an event, or what the follower needs to understand it.

        Raises CursorLost or UpstreamUnavailable where nobody knows what that is.
        """
        story_id = recorded.story_id
        if self.shown is not None and not _begins(recorded) and story_id not in self.shown:
            # The story ended while the library was taken, so that it is not in there.
            for snapshot in await self._take([story_id]):
                self.shown_to = await self._position()
                if self.shown_to == AWAY or not shows_all(snapshot):
                    raise CursorLost
                end = self._show(snapshot)
                yield replace(snapshot, cursor=self._place(recorded.cursor))
                if end is not None:
                    yield replace(end, cursor=self._place(recorded.cursor))
        if isinstance(recorded.event, ENDS):
            self.to_repeat.discard(story_id)
        if self.shown is not None:
            if recorded.origin <= self.shown.get(story_id, START):
                return
            self.shown[story_id] = recorded.origin
        self.unfinished.add(story_id)
        if isinstance(recorded.event, ENDS):
            self.unfinished.discard(story_id)
        yield replace(recorded, cursor=self._place(recorded.cursor))

    def _show(self, snapshot: Snapshot) -> Recorded | None:
        """Remember what a snapshot showed; return the end of a story that has ended."""
        story_id, end = snapshot.story.id, ending(snapshot)
        if self.shown is not None:
            over = Cursor(snapshot.story.attempt, LAST)  # a retried story has more to tell
            self.shown[story_id] = over if end else snapshot.cursor
        (self.to_repeat if end else self.unfinished).add(story_id)
        return end

    async def _look(self) -> None:
        """Raise CursorLost where a story has ended, or is gone, and the log does not know."""
        if not self.caught_up:
            await self._catch_up()
        if not self.unfinished:
            return
        try:
            stories = await self.tools.reads.stories(list(self.unfinished))
        except UpstreamUnavailable:
            return  # nobody can tell: the next silence will
        for story_id in self.unfinished:
            story = stories.get(story_id)
            if story is None or story.status.is_end:
                raise CursorLost

    async def _catch_up(self) -> None:
        """See that who comes back hears of each end, also of one that the log was never told.

        In the moment of that end the log was away, or the worker died. Nobody else would miss it,
        as no event comes after an end. So it is recorded now, for all followers.
        """
        account_id, tools = self.topic.account_id, self.tools
        try:
            stories = await tools.reads.stories_of(StoriesPage(account_id, MOST_STORIES))
            ended = [Topic(account_id, story.id) for story in stories if story.status.is_end]
            unended = [topic.story_id for topic in await tools.events.unended(ended)]
            taken = await self._take([story_id for story_id in unended if story_id])
        except (UpstreamUnavailable, LogAway):
            return  # nobody can tell: the next silence will
        for snapshot in taken:
            if end := ending(snapshot):
                story = snapshot.story
                await tools.events.append(Topic(account_id, story.id), story.attempt, end.event)
        self.unfinished.update(story.id for story in stories if not story.status.is_end)
        self.caught_up = True

    async def _take(self, story_ids: list[UUID]) -> list[Snapshot]:
        tools = self.tools
        snapshots = Snapshots(tools.reads, tools.events, tools.clock)
        return await snapshots.of(self.topic.account_id, story_ids)


def _begins(recorded: Recorded) -> bool:
    """Whether an event needs nothing before it to be understood."""
    epoch, sequence = recorded.origin.epoch, recorded.origin.sequence
    if isinstance(recorded.event, StoryQueued):
        return epoch == 0  # else it was retried, and has text
    return sequence == 1 and epoch <= 1
