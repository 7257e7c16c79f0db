"""A storyteller that tells what the test has written for it, and fails where it is told to."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from domain.briefs import StoryBrief
from domain.stories import PlannedChapter, StoryPlan, TokenUsage
from usecases.ports.storytelling import Assignment, StorytellerFault

PLAN_USAGE = TokenUsage(input_tokens=10, output_tokens=3)
CHAPTER_USAGE = TokenUsage(input_tokens=20, output_tokens=7)


class FakeStoryteller:
    """Tells `chapters`, each a sequence of chunks.

    `faults` are raised before the chunk of that (chapter, index), once each; (0, 0) is the plan.
    At a chunk of `waits` it waits until it is closed. It counts what it was asked for, and the
    tales that were closed before their end.
    """

    name = "fake"
    model = "fake-1"

    def __init__(
        self,
        chapters: Sequence[Sequence[str]] = (("Once. ", "Twice."),),
        *,
        faults: Mapping[tuple[int, int], StorytellerFault] | None = None,
        waits: tuple[int, int] | None = None,
    ) -> None:
        self.chapters = chapters
        self.faults = dict(faults or {})
        self.waits = waits
        self.waiting = asyncio.Event()
        self.planned = 0
        self.assignments: list[Assignment] = []
        self.closed_early = 0

    async def plan(self, brief: StoryBrief, seed: int) -> tuple[StoryPlan, TokenUsage]:
        del brief, seed
        self._fail_at(0, 0)
        self.planned += 1
        titles = [f"Chapter {number}" for number in range(1, len(self.chapters) + 1)]
        chapters = tuple(PlannedChapter(title=title, summary="It goes on.") for title in titles)
        return StoryPlan(title="The Tale", chapters=chapters), PLAN_USAGE

    async def tell(self, assignment: Assignment) -> AsyncGenerator[str | TokenUsage, None]:
        self.assignments.append(assignment)
        number, done = assignment.number, False
        try:
            for index, chunk in enumerate(self.chapters[number - 1]):
                self._fail_at(number, index)
                if self.waits == (number, index):
                    self.waiting.set()
                    await asyncio.Event().wait()
                yield chunk
            self._fail_at(number, len(self.chapters[number - 1]))
            yield CHAPTER_USAGE
            done = True
        finally:
            self.closed_early += not done

    def _fail_at(self, chapter: int, index: int) -> None:
        if fault := self.faults.pop((chapter, index), None):
            raise fault
