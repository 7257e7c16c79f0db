"""Stories, their chapters and the way they take from request to end."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.briefs import StoryBrief
from domain.entity import Entity, Value
from domain.refusals import NotCancelable
from domain.text import count_words


class StoryStatus(StrEnum):
    """Where a story stands. The last four are ends."""

    QUEUED = "queued"
    PLANNING = "planning"
    WRITING = "writing"
    READY = "ready"
    FAILED = "failed"
    CANCELED = "canceled"
    BLOCKED = "blocked"

    @property
    def is_end(self) -> bool:
        """Whether nothing more will happen to the story."""
        return self in {self.READY, self.FAILED, self.CANCELED, self.BLOCKED}


ENGLISH_ONLY = frozenset({"offline"})
"""Storytellers that write English, whatever language was asked for."""


class PlannedChapter(Value):
    """What one chapter is to tell."""

    title: str = Field(min_length=1, max_length=120)
    summary: str = Field(max_length=1000)


class StoryPlan(Value):
    """The outline that is made before the first sentence."""

    title: str = Field(min_length=1, max_length=160)
    chapters: tuple[PlannedChapter, ...] = Field(min_length=1, max_length=12)


class TokenUsage(Value):
    """What a model counted. The offline storyteller uses none."""

    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)


class Chapter(Entity):
    """A finished part of a story. Its text is plain: paragraphs parted by one blank line."""

    story_id: UUID
    number: int = Field(ge=1, le=12)
    title: str
    text: str
    words: int
    sha256: str
    completed_at: AwareDatetime

    @classmethod
    def of(cls, story_id: UUID, number: int, title: str, text: str, now: datetime) -> "Chapter":
        """Make the chapter whose count and hash belong to `text`."""
        return cls(
            story_id=story_id,
            number=number,
            title=title,
            text=text,
            words=count_words(text),
            sha256=text_hash(text),
            completed_at=now,
        )


class Story(Entity):
    """A story made for one account.

    `attempt` counts the times a worker began it: it is the epoch of the story's live events, since
    a second attempt writes other words than the first.
    """

    account_id: UUID
    brief: StoryBrief
    status: StoryStatus = StoryStatus.QUEUED
    mail_when_ready: bool = True
    idempotency_key: str | None = Field(default=None, max_length=128)
    request_digest: str | None = None
    seed: int = Field(ge=0, lt=2**63)
    attempt: int = 0
    plan: StoryPlan | None = None
    title: str | None = None
    words: int = 0
    sha256: str | None = None
    storyteller: str | None = None
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    failure_code: str | None = None
    failure_message: str | None = None
    requested_at: AwareDatetime
    started_at: AwareDatetime | None = None
    ready_at: AwareDatetime | None = None
    failed_at: AwareDatetime | None = None
    canceled_at: AwareDatetime | None = None

    @property
    def language(self) -> str | None:
        """The language it is written in; None before a storyteller has taken it up."""
        if self.storyteller is None:
            return None
        return "en" if self.storyteller in ENGLISH_ONLY else self.brief.language

    def begin(self, now: datetime, storyteller: str, model: str | None) -> None:
        """A worker begins, or begins again, to write it."""
        self.attempt += 1
        self.started_at = self.started_at or now
        self.storyteller, self.model = storyteller, model
        self.status = StoryStatus.WRITING if self.plan else StoryStatus.PLANNING

    def adopt(self, plan: StoryPlan) -> None:
        """Keep the plan, so that a later attempt goes on from it."""
        self.plan, self.title, self.status = plan, plan.title, StoryStatus.WRITING

    def spend(self, usage: TokenUsage) -> None:
        """Add what a call to the model used."""
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens

    def finish(self, chapters: list[Chapter], now: datetime) -> None:
        """All chapters are stored: the story is ready."""
        self.status, self.ready_at = StoryStatus.READY, now
        self.words = sum(chapter.words for chapter in chapters)
        self.sha256 = story_hash(chapters)

    def fail(self, code: str, message: str, now: datetime, *, blocked: bool = False) -> None:
        """It cannot be written; `blocked` when its content was refused."""
        self.status = StoryStatus.BLOCKED if blocked else StoryStatus.FAILED
        self.failure_code, self.failure_message, self.failed_at = code, message, now

    def reopen(self) -> None:
        """Have it written after all: the next attempt goes on where the last one ended.

        An attempt that nobody began counts too, so that the next one is told as another.
        """
        self.status, self.attempt = StoryStatus.QUEUED, max(self.attempt, 1)
        self.failure_code = self.failure_message = self.failed_at = None

    def cancel(self, now: datetime) -> None:
        """Its owner wants it no more. Raises NotCancelable when it has ended already."""
        if self.status.is_end:
            raise NotCancelable
        self.status, self.canceled_at = StoryStatus.CANCELED, now


def text_hash(text: str) -> str:
    """SHA-256 of the text's UTF-8 bytes, in lower-case hexadecimal."""
    return sha256(text.encode()).hexdigest()


def joined(chapters: Sequence[Chapter]) -> str:
    """Return the whole text: the chapters' texts in order, parted by one blank line."""
    return "\n\n".join(chapter.text for chapter in chapters)


def story_hash(chapters: Sequence[Chapter]) -> str:
    """Hash of the whole story's text."""
    return text_hash(joined(chapters))
