"""The event log on Redis."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from pathlib import Path

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.event_log.entries import Keys, encode, stream_of
from adapters.event_log.hub import Hub, Notice
from adapters.event_log.reading import Page, Reading
from adapters.event_log.writer import RedisEventWriter, Stroke, told
from adapters.listening import PULSE
from domain.events import ENDS, Cursor, Recorded, StoryEvent
from usecases.ports.live import CursorLost, EventWriter, LiveText, LogAway, Topic
from usecases.ports.time_and_chance import Clock

PATIENCE = 2.0
"""Seconds that a story waits for its log, at most, before it goes on without."""

READ_AGAIN = 0.25
"""Seconds before a failed read is tried again."""

_HERE = Path(__file__).parent
_ACCOUNT = (_HERE / "account.lua").read_text()
_APPEND = _ACCOUNT + (_HERE / "append.lua").read_text()
_POSITION = _ACCOUNT + (_HERE / "position.lua").read_text()
_LIVE = (_HERE / "live.lua").read_text()


class RedisEventLog:
    """Implements `EventLog`: one for each process, on a client that answers bytes."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        story_events: int = 4_000,
        account_events: int = 4_000,
        keep: timedelta = timedelta(hours=24),
        silence: timedelta = timedelta(seconds=20),
        pulse: float = PULSE,
    ) -> None:
        """Set the bounds of a log.

        Of each log about so many events are kept, for `keep` after the newest. After a `silence`
        a follower is told of it.
        """
        self._redis, self._clock = redis, clock
        self._caps = (story_events, account_events)
        self._keep = int(keep.total_seconds())
        self._silence = silence.total_seconds()
        self._hub, self._reading = Hub(redis, self._silence, pulse), Reading(redis)
        self._append = redis.register_script(_APPEND)
        self._position = redis.register_script(_POSITION)
        self._live = redis.register_script(_LIVE)

    async def aclose(self) -> None:
        """Stop listening."""
        await self._hub.aclose()
        await self._reading.aclose()

    def writer(self, story: Topic, epoch: int, chapters: int = 0) -> EventWriter:
        """Begin an epoch of a story of which so many chapters are stored."""
        return RedisEventWriter(story, epoch, chapters, self._record)

    async def append(self, story: Topic, epoch: int, event: StoryEvent) -> Cursor | None:
        """Record an event in an epoch that somebody else writes."""
        stored = event.chapters if isinstance(event, ENDS) else None
        nothing = LiveText(Cursor(epoch, 0), stored or 0)
        return await self._record(
            story, Stroke(epoch, 0, event, stored, "keep", nothing, told(nothing, event))
        )

    async def live(self, story: Topic) -> LiveText | None:
        """Return the unfinished text and its place. Raises LogAway."""
        keys = Keys.of(story)
        try:
            flat = await self._live(keys=[keys.stream, keys.live])
        except (RedisError, OSError) as fault:
            _warn(story, fault)
            raise LogAway from fault
        if not flat:
            return None
        known = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}
        return LiveText(
            cursor=Cursor.parse(known["cursor"]),
            chapters=int(known["chapters"]),
            chapter=int(known["chapter"]),
            title=known["title"],
            text=known["text"],
        )

    async def unended(self, stories: Sequence[Topic]) -> list[Topic]:
        """Return those that have a log which tells of no end. Raises LogAway."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for story in stories:
                    pipe.xrevrange(stream_of(story), count=1)
                newest = await pipe.execute()
        except (RedisError, OSError) as fault:
            logger.bind(fault=type(fault).__name__).warning("The event log is out of reach")
            raise LogAway from fault
        return [
            story
            for story, entries in zip(stories, newest, strict=True)
            if entries and b"end" not in entries[0][1]
        ]

    async def position(self, account: Topic) -> Cursor:
        """Return the place of the newest event; a log is begun where there is none."""
        keys = Keys.of(account)
        try:
            cursor = await self._position(keys=[keys.numbering, keys.account], args=[self._keep])
        except (RedisError, OSError) as fault:
            _warn(account, fault)
            raise LogAway from fault
        return Cursor.parse(cursor.decode())

    async def follow(self, topic: Topic, after: Cursor) -> AsyncGenerator[Recorded | None, None]:
        """Yield each event after the cursor."""
        stream, last = stream_of(topic), after
        with self._hub.inbox(stream) as inbox:
            while True:
                notice = await inbox.take()
                if isinstance(notice, Recorded):
                    if notice.cursor <= last:
                        continue
                    if notice.cursor.follows(last):
                        last = notice.cursor
                        yield notice
                        continue
                # Announcements may be missing. In a silence too: a lost one must not be waited for.
                page, quiet = None, notice is Notice.SILENCE
                while page is None or not page.whole:
                    page = await self._after(stream, last)
                    if page is None:
                        yield None
                        continue
                    if page.lost:
                        raise CursorLost
                    for recorded in page.events:
                        last, quiet = recorded.cursor, False
                        yield recorded
                        await asyncio.sleep(0)  # a page is long, and others have their turns
                if quiet:
                    yield None

    async def _after(self, stream: str, last: Cursor) -> Page | None:
        """Read until Redis answers; None when it has not for the length of a silence."""
        try:
            async with asyncio.timeout(self._silence):
                while (page := await self._reading.after(stream, last)) is None:  # noqa: ASYNC110
                    await asyncio.sleep(READ_AGAIN)  # Redis tells nobody that it is back
                return page
        except TimeoutError:
            return None

    async def _record(self, story: Topic, stroke: Stroke) -> Cursor | None:
        """Run the script; what cannot be recorded costs a line in the log, never a story."""
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._run(story, stroke)
                if answer == b"seed":
                    answer = await self._run(story, stroke.whole())
        except (RedisError, OSError) as fault:
            _warn(story, fault)
            return None
        if answer == b"refused":
            logger.bind(story_id=str(story.story_id), event=stroke.event.kind).info(
                "The event log is closed to this attempt"
            )
            return None
        return Cursor.parse(answer.decode())

    async def _run(self, story: Topic, stroke: Stroke) -> bytes:
        if story.story_id is None:
            raise ValueError("an event is one story's")
        keys, live = Keys.of(story), stroke.after
        expected = stroke.before if stroke.mode == "append" else live
        arguments: list[str | int] = [
            stroke.epoch,
            stroke.sequence,
            encode(story.story_id, self._clock.now(), stroke.event),
            stroke.event.kind if isinstance(stroke.event, ENDS) else "",
            "" if stroke.stored is None else stroke.stored,
            stroke.mode,
            len(expected.text.encode()),
            expected.chapters,
            expected.chapter,
            live.title,
            stroke.text,
            *self._caps,
            self._keep,
        ]
        answer: bytes = await self._append(
            keys=[keys.stream, keys.live, keys.account, keys.numbering], args=arguments
        )
        return answer


def _warn(topic: Topic, fault: Exception) -> None:
    logger.bind(
        account_id=str(topic.account_id),
        story_id=str(topic.story_id) if topic.story_id else None,
        fault=type(fault).__name__,
    ).warning("The event log is out of reach")
