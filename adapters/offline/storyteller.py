"""The storyteller that is always there."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from adapters.offline.composer import compose
from domain.briefs import StoryBrief
from domain.stories import PlannedChapter, StoryPlan, TokenUsage
from usecases.ports.storytelling import Assignment

_WORDS_AT_ONCE: Final = 3


class OfflineStoryteller:
    """Writes without a network, a model or a key, in English whatever the brief's language is.

    The same brief, plan and seed give the same chapters, so that a second attempt at a chapter
    tells it word for word as the first.
    """

    name = "offline"
    model: str | None = None

    def __init__(
        self, words_per_minute: int, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._seconds_a_word = 60 / words_per_minute
        self._sleep = sleep

    async def plan(self, brief: StoryBrief, seed: int) -> tuple[StoryPlan, TokenUsage]:
        """Compose the story and return its outline."""
        tale = compose(brief, seed, brief.chapters)
        chapters = tuple(
            PlannedChapter(title=chapter.title, summary=chapter.summary)
            for chapter in tale.chapters
        )
        return StoryPlan(title=tale.title, chapters=chapters), TokenUsage()

    async def tell(self, assignment: Assignment) -> AsyncGenerator[str | TokenUsage, None]:
        """Tell a chapter at reading pace, a few words at a time."""
        tale = compose(assignment.brief, assignment.seed, len(assignment.plan.chapters))
        text = tale.chapters[assignment.number - 1].text
        words = re.findall(r"\S+\s*", text)
        for start in range(0, len(words), _WORDS_AT_ONCE):
            spoken = words[start : start + _WORDS_AT_ONCE]
            yield "".join(spoken)
            await self._sleep(len(spoken) * self._seconds_a_word)
        yield TokenUsage()
