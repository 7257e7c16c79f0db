"""Write a story: its plan, then chapter after chapter, each stored when it is done."""

from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from loguru import logger

from domain.events import (
    ChapterCompleted,
    ChapterStarted,
    StageChanged,
    StoryFailed,
    StoryReady,
    StoryRestarted,
    TextAppended,
    utf16_length,
)
from domain.jobs import Lease, Queue, RetryPolicy, Task, Terms
from domain.stories import Chapter, Story, StoryPlan, StoryStatus, TokenUsage
from usecases.deliveries.owe import OweMail
from usecases.ports.jobs import ProviderSlots, Retry
from usecases.ports.live import EventLog, EventWriter, Topic
from usecases.ports.storytelling import Assignment, Storyteller, StorytellerFault
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, LeaseLost, Work
from usecases.stories.release import BREATH, PAUSE, Pace, released


class WriteStoryTask(Task):
    """Write this story: its eight tries spread over some four minutes, as a model's outages do."""

    terms: ClassVar[Terms] = Terms(
        kind="write_story",
        queue=Queue.STORIES,
        retry=RetryPolicy(attempts=8, budget=timedelta(hours=6)),
        timeout=timedelta(hours=2),
        unique_by=("story_id",),
    )
    story_id: UUID


@dataclass(frozen=True, slots=True)
class WriteStory:
    """Writes a story for the worker that holds its lease.

    No transaction is open while a storyteller works, and each call to one takes a slot. What was
    stored is never written again: a later attempt goes on with the first chapter that is missing.
    Safe to run twice.
    """

    database: Database
    storyteller: Storyteller
    slots: ProviderSlots
    events: EventLog
    owe: OweMail
    clock: Clock
    pause: float = PAUSE
    breath: float = BREATH

    async def __call__(self, story_id: UUID, lease: Lease) -> None:
        """Write what is missing of the story.

        Raises Retry when it should be tried again, LeaseLost when it is no longer ours.
        """
        async with self.database.begin(lease) as work:
            story = await work.stories.lock(story_id)
            if story is None or story.status.is_end:
                return
            story.begin(self.clock.now(), self.storyteller.name, self.storyteller.model)
            told = await work.stories.chapters(story_id)
        log = self.events.writer(Topic(story.account_id, story_id), story.attempt, len(told))
        if story.attempt > 1:
            await log.append(StoryRestarted(attempt=story.attempt, from_chapter=len(told) + 1))
        await log.append(StageChanged(stage=story.status))
        writing = _Writing(self, story, lease, log, told, Pace(self.breath))
        try:
            await writing.write()
        except StorytellerFault as fault:
            if not fault.permanent:
                raise Retry(str(fault), after=fault.retry_after) from fault
            await writing.give_up(fault)


@dataclass(slots=True)
class _Writing:
    """One attempt. `told` are the chapters that are stored."""

    tools: WriteStory
    story: Story
    lease: Lease
    log: EventWriter
    told: list[Chapter]
    pace: Pace

    async def write(self) -> None:
        plan = self.story.plan or await self._plan()
        for number in range(len(self.told) + 1, len(plan.chapters) + 1):
            await self._write_chapter(plan, number)
        await self._finish()

    async def give_up(self, fault: StorytellerFault) -> None:
        """Say honestly that the story cannot be written."""
        async with self.tools.database.begin(self.lease) as work:
            story = await self._hold(work)
            now = self.tools.clock.now()
            story.fail(fault.code, fault.message, now, blocked=fault.blocked)
        logger.bind(story_id=str(story.id), code=fault.code).warning("A story cannot be written")
        await self.log.append(
            StoryFailed(
                code=fault.code,
                message=fault.message,
                blocked=fault.blocked,
                chapters=len(self.told),
            )
        )

    async def _plan(self) -> StoryPlan:
        async with self._slot():
            plan, usage = await self.tools.storyteller.plan(self.story.brief, self.story.seed)
        async with self.tools.database.begin(self.lease) as work:
            story = await self._hold(work)
            story.adopt(plan)
            story.spend(usage)
            await work.jobs.report(self.lease, len(self.told), len(plan.chapters))
        await self.log.append(StageChanged(stage=StoryStatus.WRITING))
        return plan

    async def _write_chapter(self, plan: StoryPlan, number: int) -> None:
        title = plan.chapters[number - 1].title
        await self.log.append(ChapterStarted(chapter=number, of=len(plan.chapters), title=title))
        async with self._slot():
            text, usage = await self._stream(plan, number)
        async with self.tools.database.begin(self.lease) as work:
            story = await self._hold(work)
            story.spend(usage)
            chapter = await work.stories.add_chapter(
                Chapter.of(story.id, number, title, text, self.tools.clock.now())
            )
            await work.jobs.report(self.lease, number, len(plan.chapters))
        self.told.append(chapter)
        await self.log.append(
            ChapterCompleted(chapter=number, words=chapter.words, sha256=chapter.sha256)
        )

    async def _stream(self, plan: StoryPlan, number: int) -> tuple[str, TokenUsage]:
        """Release the chapter as it comes, and return the whole of what was released."""
        story, told = self.story, tuple(self.told)
        tale = self.tools.storyteller.tell(
            Assignment(brief=story.brief, plan=plan, seed=story.seed, number=number, told=told)
        )
        pieces, offset, usage = list[str](), 0, TokenUsage()
        async with aclosing(released(tale, self.tools.pause, self.pace)) as release:
            async for piece in release:
                if isinstance(piece, TokenUsage):
                    usage = piece
                    continue
                await self.log.append(TextAppended(chapter=number, offset=offset, text=piece))
                pieces.append(piece)
                offset += utf16_length(piece)
        if not pieces:
            raise StorytellerFault("EMPTY_CHAPTER", "The storyteller found no words.")
        return "".join(pieces), usage

    async def _finish(self) -> None:
        async with self.tools.database.begin(self.lease) as work:
            story = await self._hold(work)
            story.finish(self.told, self.tools.clock.now())
            if story.mail_when_ready:
                account = await work.accounts.get(story.account_id)
                if account is not None:
                    await self.tools.owe.story_ready(work, story, account)
        logger.bind(story_id=str(story.id), words=story.words).info("A story is ready")
        await self.log.append(
            StoryReady(chapters=len(self.told), words=story.words, sha256=story.sha256 or "")
        )

    def _slot(self) -> AbstractAsyncContextManager[None]:
        return self.tools.slots.hold(self.tools.storyteller.name)

    async def _hold(self, work: Work) -> Story:
        """Lock the story; who finds it ended writes nothing more."""
        story = await work.stories.lock(self.story.id)
        if story is None or story.status.is_end:
            raise LeaseLost
        return story
