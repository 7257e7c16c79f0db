"""Who writes the stories."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.briefs import StoryBrief
from domain.stories import Chapter, StoryPlan, TokenUsage


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a storyteller must know to write one chapter."""

    brief: StoryBrief
    plan: StoryPlan
    seed: int
    number: int
    told: Sequence[Chapter]


class Storyteller(Protocol):
    """Writes stories. Raises StorytellerFault for all that goes wrong."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    async def plan(self, brief: StoryBrief, seed: int) -> tuple[StoryPlan, TokenUsage]: ...
    def tell(self, assignment: Assignment) -> AsyncGenerator[str | TokenUsage, None]:
        """Write a chapter: its text as it comes, then what it used, once, at the end.

        Closing the iterator early, or cancelling the task that reads, ends the paid request.
        """
        ...


class StorytellerFault(Exception):  # noqa: N818 - reads as what it is
    """A storyteller could not do it.

    `permanent` faults are not tried again; `blocked` ones are about content. `message` is for the
    story's owner, `detail` for the log: neither holds story text.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        detail: str = "",
        permanent: bool = False,
        blocked: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail or message}")
        self.code = code
        self.message = message
        self.permanent = permanent
        self.blocked = blocked
        self.retry_after = retry_after
