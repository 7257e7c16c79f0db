"""An event log in memory: numbers, fences and loses events like the real one."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from uuid import UUID

from domain.events import (
    ENDS,
    ChapterCompleted,
    ChapterStarted,
    Cursor,
    Recorded,
    StoryEvent,
    StoryFailed,
    StoryRestarted,
    TextAppended,
)
from tests.fakes.clock import FakeClock
from usecases.ports.live import CursorLost, LiveText, LogAway, Topic
from usecases.ports.time_and_chance import Clock

UNSEEN = 1_000_000
"""Sequences from here on are given where nobody knows how far the count had come."""


@dataclass
class FakeLog:
    """The log of one topic; `newest` is the place of its newest event, kept or not."""

    events: list[Recorded] = field(default_factory=list)
    live: LiveText | None = None
    newest: Cursor | None = None


class FakeEventLog:
    """Implements `EventLog`. While it is `down`, nothing can be recorded."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.down = False
        self._clock = clock or FakeClock()
        self._logs: defaultdict[Topic, FakeLog] = defaultdict(FakeLog)
        self._epochs, self._unseen = count(1_000), count(UNSEEN)
        self._silences = 0
        self._changed = asyncio.Event()
        self.followers = 0

    def recorded(self, topic: Topic) -> list[Recorded]:
        """Return what the log of a topic holds."""
        return list(self._logs[topic].events)

    def forget(self) -> None:
        """Lose everything, as an emptied Redis does."""
        self._logs.clear()

    def trim(self, topic: Topic, keep: int) -> None:
        """Keep the newest events only."""
        log = self._logs[topic]
        log.events = log.events[max(0, len(log.events) - keep) :]

    def be_silent(self) -> None:
        """Tell all followers of a silence."""
        self._silences += 1
        self._wake()

    def writer(self, story: Topic, epoch: int, chapters: int = 0) -> "FakeEventWriter":
        return FakeEventWriter(self, story, LiveText(Cursor(epoch, 0), chapters))

    async def append(self, story: Topic, epoch: int, event: StoryEvent) -> Cursor | None:
        chapters = event.chapters if isinstance(event, ENDS) else None
        return self.record(story, Cursor(epoch, 0), event, chapters, None)

    async def live(self, story: Topic) -> LiveText | None:
        if self.down:
            raise LogAway
        return self._logs[story].live

    async def unended(self, stories: Sequence[Topic]) -> list[Topic]:
        if self.down:
            raise LogAway
        kept = {story: self._logs[story].events for story in stories}
        return [story for story, log in kept.items() if log and not isinstance(log[-1].event, ENDS)]

    async def position(self, account: Topic) -> Cursor:
        if self.down:
            raise LogAway
        return self._account(account.account_id).newest or Cursor(0, 0)

    def record(
        self,
        story: Topic,
        number: Cursor,
        event: StoryEvent,
        chapters: int | None,
        live: LiveText | None,
    ) -> Cursor | None:
        """Take an event; sequence 0 leaves its number to the log, whose live text then stays."""
        log = self._logs[story]
        newest = log.events[-1] if log.events else None
        last = newest.cursor if newest else Cursor(-1, 0)
        end = newest.event if newest and isinstance(newest.event, ENDS) else None
        retried = isinstance(end, StoryFailed) and number.sequence == 0
        closed = end is not None and not retried and number.epoch == last.epoch
        if self.down or closed or number.epoch < last.epoch:
            return None
        sequence = number.sequence
        if sequence == 0:
            sequence = last.sequence + 1 if number.epoch == last.epoch else next(self._unseen)
        if chapters is not None and newest and log.live and log.live.chapters != chapters:
            sequence += 1
        if number.epoch == last.epoch:
            whole = sequence == last.sequence + 1
        else:
            whole = sequence == 1 and (newest is not None or number.epoch <= 1)
        cursor = Cursor(number.epoch, sequence)
        known = live or log.live or LiveText(cursor, chapters or 0)
        log.live, log.newest = replace(known, cursor=cursor), cursor
        if story.story_id is None:
            raise ValueError("an event is one story's")
        recorded = Recorded(cursor, cursor, story.story_id, self._clock.now(), event)
        log.events.append(recorded)
        account = self._account(story.account_id)
        if account.newest is None:
            raise ValueError("the account's log was not begun")
        place = Cursor(account.newest.epoch, account.newest.sequence + (1 if whole else 2))
        account.newest = place
        account.events.append(replace(recorded, cursor=place))
        self._wake()
        return cursor

    async def follow(self, topic: Topic, after: Cursor) -> AsyncGenerator[Recorded | None, None]:
        self.followers += 1
        try:
            last, silences, first = after, self._silences, True
            while True:
                changed = self._changed
                for recorded in self._after(topic, last, joining=first):
                    last = recorded.cursor
                    yield recorded
                first = False
                if silences != self._silences:
                    silences = self._silences
                    yield None
                    continue
                if changed is self._changed:
                    await changed.wait()
        finally:
            self.followers -= 1

    def _after(self, topic: Topic, last: Cursor, *, joining: bool) -> list[Recorded]:
        events = self._logs[topic].events
        page = [recorded for recorded in events if recorded.cursor > last]
        anchored = any(recorded.cursor == last for recorded in events)
        if not page and not anchored and joining and last.sequence > 0:
            raise CursorLost
        previous = last
        for recorded in page:
            cursor = recorded.cursor
            follows = cursor == Cursor(previous.epoch, previous.sequence + 1)
            begins = cursor.epoch > previous.epoch and cursor.sequence == 1
            if not (follows or (anchored and begins)):
                raise CursorLost
            previous, anchored = cursor, True
        return page

    def _account(self, account_id: UUID) -> FakeLog:
        log = self._logs[Topic(account_id)]
        if log.newest is None:
            log.newest = Cursor(next(self._epochs), 0)
        return log

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@dataclass
class FakeEventWriter:
    """Implements `EventWriter`."""

    log: FakeEventLog
    story: Topic
    live: LiveText

    async def append(self, event: StoryEvent) -> Cursor | None:
        before = self.live
        number = Cursor(before.cursor.epoch, before.cursor.sequence + 1)
        self.live = replace(_after(before, event), cursor=number)
        chapters = before.chapters if number.sequence == 1 else None
        cursor = self.log.record(self.story, number, event, chapters, self.live)
        if cursor is not None:
            self.live = replace(self.live, cursor=cursor)
        return cursor


def _after(live: LiveText, event: StoryEvent) -> LiveText:
    match event:
        case ChapterStarted():
            return replace(live, chapter=event.chapter, title=event.title, text="")
        case TextAppended():
            return replace(live, text=live.text + event.text)
        case ChapterCompleted():
            return replace(live, chapters=event.chapter, chapter=0, title="", text="")
        case StoryRestarted():
            return replace(live, chapters=event.from_chapter - 1, chapter=0, title="", text="")
        case _:
            return live
