"""What the schema shows of stories: a published part, never the entity itself."""

from datetime import datetime
from typing import Self

import strawberry

from domain.briefs import AgeBand, Character, Genre, StoryBrief, Tone
from domain.events import Snapshot
from domain.stories import Chapter, Story, StoryStatus, joined
from schema import published
from schema.context import Info
from schema.nodes import STORY, NodeType, global_id
from schema.scalars import Cursor, LanguageTag
from schema.stories import enums as _enums  # noqa: F401 - publishes the enums used here


@published.as_type
class CharacterType:
    """Someone who takes part in a story."""

    name: str = strawberry.field(description="What they are called: 1 to 40 characters.")
    role: str | None = strawberry.field(description="What they are, like `a brave lighthouse cat`.")
    traits: list[str] = strawberry.field(description="What they are like: at most 5.")

    @classmethod
    def tell(cls, character: Character) -> Self:
        """Make the published form of a character."""
        return cls(name=character.name, role=character.role, traits=list(character.traits))


@published.as_type
class StoryBriefType:
    """A request as it was understood.

    What is null was left to the storyteller.
    """

    idea: str | None = strawberry.field(description="A free wish, at most 500 characters.")
    audience: AgeBand = strawberry.field(description="Whom it is for.")
    genre: Genre | None = strawberry.field(description="The kind of story.")
    themes: list[str] = strawberry.field(
        description="What it is about: those asked for, else the account's interests."
    )
    setting: str | None = strawberry.field(description="Where and when it happens.")
    moral: str | None = strawberry.field(description="What one may learn from it.")
    tone: Tone | None = strawberry.field(description="How it is told.")
    characters: list[CharacterType] = strawberry.field(description="Who takes part: at most 6.")
    avoid: list[str] = strawberry.field(description="What must not come up: at most 10.")
    language: LanguageTag = strawberry.field(description="The language that was asked for.")
    words: int = strawberry.field(description="The length that is aimed at, in words.")
    minutes: int = strawberry.field(
        description="The time to read it aloud, in minutes, at 150 words a minute."
    )
    chapters: int = strawberry.field(description="How many chapters are aimed at.")

    @classmethod
    def tell(cls, brief: StoryBrief) -> Self:
        """Make the published form of a brief."""
        return cls(
            idea=brief.idea,
            audience=brief.audience,
            genre=brief.genre,
            themes=list(brief.themes),
            setting=brief.setting,
            moral=brief.moral,
            tone=brief.tone,
            characters=[CharacterType.tell(character) for character in brief.characters],
            avoid=list(brief.avoid),
            language=LanguageTag(brief.language),
            words=brief.words,
            minutes=brief.minutes,
            chapters=brief.chapters,
        )


@published.as_type
class ChapterType:
    """A part of a story that is done: its text does not change any more."""

    number: int = strawberry.field(description="Its place in the story, from 1.")
    title: str = strawberry.field(description="Its heading, which is not part of the text.")
    text: str = strawberry.field(description="Plain text: paragraphs parted by one blank line.")
    words: int = strawberry.field(description="How many words the text has.")
    sha256: str = strawberry.field(
        description="SHA-256 over the text's UTF-8 bytes, in lower-case hexadecimal."
    )
    completed_at: datetime = strawberry.field(description="When it was stored.")

    @classmethod
    def tell(cls, chapter: Chapter) -> Self:
        """Make the published form of a chapter."""
        return cls(
            number=chapter.number,
            title=chapter.title,
            text=chapter.text,
            words=chapter.words,
            sha256=chapter.sha256,
            completed_at=chapter.completed_at,
        )


@published.as_type
class UnfinishedChapterType:
    """A chapter that is being written, as far as it was told."""

    number: int = strawberry.field(description="Its place in the story, from 1.")
    title: str = strawberry.field(description="Its heading, which is not part of the text.")
    text: str = strawberry.field(
        description="Its text so far; the next `TextAppended` goes on at its end."
    )

    @classmethod
    def tell(cls, snapshot: Snapshot) -> Self | None:
        """Make the published form of a snapshot's last part, if it has one."""
        if not snapshot.chapter:
            return None
        return cls(number=snapshot.chapter, title=snapshot.title, text=snapshot.text)


@published.as_type
class StoryProgressType:
    """How far a story was told at one moment: the same that its followers have at `cursor`, for
    clients that poll. All fields fit together.
    """  # noqa: D205 - one sentence, as clients read it

    cursor: Cursor = strawberry.field(
        description="Its place in the story's events: pass it to `storyEvents` as `after` to go on "
        "live from here."
    )
    stage: StoryStatus = strawberry.field(description="Where the story stands.")
    attempt: int = strawberry.field(
        description="Which attempt tells it, 0 while it waits. Within one attempt `text` only "
        "grows; another one goes on from the last finished chapter, with other words. Where a "
        "story fails or is cancelled, the unfinished chapter is dropped."
    )
    chapters: list[ChapterType] = strawberry.field(description="Its finished chapters, in order.")
    unfinished: UnfinishedChapterType | None = strawberry.field(
        description="The chapter that is being written; null between two."
    )
    text: str = strawberry.field(
        description="The text so far: the finished chapters' and the unfinished one's, joined by "
        "one blank line."
    )

    @classmethod
    def tell(cls, snapshot: Snapshot) -> Self:
        """Make the published form of a snapshot."""
        story = snapshot.story
        told = [joined(snapshot.told), snapshot.text]
        return cls(
            cursor=Cursor(str(snapshot.cursor)),
            stage=story.status,
            attempt=story.attempt if story.status.is_end else snapshot.cursor.epoch,
            chapters=[ChapterType.tell(chapter) for chapter in snapshot.told],
            unfinished=UnfinishedChapterType.tell(snapshot),
            text="\n\n".join(part for part in told if part),
        )


@published.as_type
class TokenUsageType:
    """What the model counted, over all attempts."""

    input_tokens: int = strawberry.field(description="Tokens that the model was given.")
    output_tokens: int = strawberry.field(description="Tokens that the model wrote.")


@published.as_type
class StoryFailureType:
    """Why a story could not be written."""

    code: str = strawberry.field(description="Stable name of the reason.")
    message: str = strawberry.field(description="A sentence for people.")


@published.as_type
class StoryType(NodeType):
    """A story made for one account.

    Only its owner sees it.
    """

    story: strawberry.Private[Story]

    status: StoryStatus = strawberry.field(description="Where it stands.")
    title: str | None = strawberry.field(description="Its title; null until it is planned.")
    brief: StoryBriefType = strawberry.field(description="What was asked for, as understood.")
    language: LanguageTag | None = strawberry.field(
        description="The language it is written in; null until a worker took it up. The built-in "
        "storyteller writes English, whatever was asked for."
    )
    planned_chapters: int | None = strawberry.field(
        description="How many chapters it will have; null until it is planned."
    )
    words: int = strawberry.field(description="How many words it has; 0 until it is ready.")
    sha256: str | None = strawberry.field(
        description="SHA-256 over the UTF-8 bytes of `text`, in lower-case hexadecimal; null until "
        "it is ready."
    )
    attempts: int = strawberry.field(description="How often a worker began to write it.")
    storyteller: str | None = strawberry.field(
        description="Who writes it, `gemini` or `offline`; null until a worker took it up."
    )
    model: str | None = strawberry.field(description="The storyteller's model, if it has one.")
    usage: TokenUsageType = strawberry.field(description="What the model counted.")
    mail_when_ready: bool = strawberry.field(description="Whether it is mailed to its owner.")
    requested_at: datetime = strawberry.field(description="When it was asked for.")
    started_at: datetime | None = strawberry.field(description="When a worker first took it up.")
    ready_at: datetime | None = strawberry.field(description="When it was done.")
    failed_at: datetime | None = strawberry.field(description="When it was given up, or blocked.")
    canceled_at: datetime | None = strawberry.field(description="When its owner cancelled it.")
    failure: StoryFailureType | None = strawberry.field(
        description="Why it could not be written; null unless it failed or was blocked."
    )

    @strawberry.field(description="The chapters that are done, in order.")
    async def chapters(self, info: Info) -> list[ChapterType]:
        """Load them with those of the other stories."""
        chapters = await info.context.loaders.chapters.load(self.story.id)
        return [ChapterType.tell(chapter) for chapter in chapters]

    @strawberry.field(
        description="The chapters' texts in order, joined by one blank line: the whole story when "
        "it is ready, what is done of it before."
    )
    async def text(self, info: Info) -> str:
        """Join the chapters."""
        return joined(await info.context.loaders.chapters.load(self.story.id))

    @strawberry.field(
        description="How far it is told at this moment, for clients that poll instead of following "
        "`storyEvents`. Null while that is not known, as when the live events were lost or are out "
        "of reach: keep what you have and ask again. Once a story has ended it is always known."
    )
    async def progress(self, info: Info) -> StoryProgressType | None:
        """Load it with those of the other stories."""
        key = (self.story.account_id, self.story.id)
        shown = await info.context.loaders.progress.load(key)
        return None if shown is None else StoryProgressType.tell(shown)

    @strawberry.field(description="Its place in line, 1 being next; null unless it is queued.")
    async def place(self, info: Info) -> int | None:
        """Load it with those of the other stories."""
        if self.status is not StoryStatus.QUEUED:
            return None
        return await info.context.loaders.places.load(self.story.id)

    @classmethod
    def tell(cls, story: Story) -> Self:
        """Make the published form of a story."""
        failure = None
        if story.failure_code is not None:
            failure = StoryFailureType(code=story.failure_code, message=story.failure_message or "")
        return cls(
            id=global_id(STORY, story.id),
            story=story,
            status=story.status,
            title=story.title,
            brief=StoryBriefType.tell(story.brief),
            language=None if story.language is None else LanguageTag(story.language),
            planned_chapters=None if story.plan is None else len(story.plan.chapters),
            words=story.words,
            sha256=story.sha256,
            attempts=story.attempt,
            storyteller=story.storyteller,
            model=story.model,
            usage=TokenUsageType(
                input_tokens=story.input_tokens, output_tokens=story.output_tokens
            ),
            mail_when_ready=story.mail_when_ready,
            requested_at=story.requested_at,
            started_at=story.started_at,
            ready_at=story.ready_at,
            failed_at=story.failed_at,
            canceled_at=story.canceled_at,
            failure=failure,
        )
