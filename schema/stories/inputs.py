"""What the story operations take."""

from typing import Any

import strawberry

from domain.briefs import AgeBand, Genre, StoryBrief, Tone
from domain.stories import StoryStatus
from schema import published
from schema.scalars import LanguageTag
from schema.stories import enums as _enums  # noqa: F401 - publishes the enums used here


@published.as_input
class CharacterInput:
    """Someone who is to take part."""

    name: str = strawberry.field(description="What they are called: 1 to 40 characters.")
    role: str | None = strawberry.field(
        default=None, description="What they are: 1 to 60 characters, like `a shy dragon`."
    )
    traits: list[str] = strawberry.field(
        default_factory=list, description="What they are like: at most 5, 1 to 40 characters each."
    )


@published.as_choice
class StoryLengthInput:
    """How long a story is to be, in one of the two measures."""

    words: int | None = strawberry.field(
        default=strawberry.UNSET, description="In words, 100 to 5000."
    )
    minutes: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="In minutes of reading aloud, 1 to 30, at 150 words a minute.",
    )


@published.as_input
class RequestStoryInput:
    """What a story is to be like.

    All may be left out: `{}` is a request too, for a story of four minutes about the account's
    interests.
    """

    idea: str | None = strawberry.field(
        default=None, description="A free wish, at most 500 characters."
    )
    audience: AgeBand = strawberry.field(
        default=StoryBrief.model_fields["audience"].default, description="Whom it is for."
    )
    genre: Genre | None = strawberry.field(default=None, description="The kind of story.")
    themes: list[str] = strawberry.field(
        default_factory=list,
        description="What it is about: at most 5, 1 to 40 characters each. Without any, the "
        "account's interests.",
    )
    setting: str | None = strawberry.field(
        default=None, description="Where and when it happens: 1 to 120 characters."
    )
    moral: str | None = strawberry.field(
        default=None, description="What one may learn from it: 1 to 160 characters."
    )
    tone: Tone | None = strawberry.field(default=None, description="How it is told.")
    characters: list[CharacterInput] = strawberry.field(
        default_factory=list, description="Who takes part: at most 6."
    )
    avoid: list[str] = strawberry.field(
        default_factory=list,
        description="What must not come up: at most 10, 1 to 40 characters each.",
    )
    language: LanguageTag = strawberry.field(
        default=LanguageTag(StoryBrief.model_fields["language"].default),
        description="The language to write in. The built-in storyteller writes English only.",
    )
    length: StoryLengthInput | None = strawberry.field(
        default=None, description="How long it is to be; four minutes where nothing is said."
    )
    chapters: int | None = strawberry.field(
        default=None, description="In how many chapters, 1 to 12; about 250 words each else."
    )
    mail_when_ready: bool = strawberry.field(
        default=True, description="Whether the story is mailed to its owner when it is ready."
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="A name of the client's for this request, 1 to 128 printable ASCII characters: "
        "sent again within 24 hours it answers the same story, and spends nothing.",
    )

    def wishes(self) -> dict[str, Any]:
        """Return what is to be checked, under the domain's names."""
        wishes: dict[str, Any] = {
            "idea": self.idea,
            "audience": self.audience,
            "genre": self.genre,
            "themes": self.themes,
            "setting": self.setting,
            "moral": self.moral,
            "tone": self.tone,
            "characters": [vars(character) for character in self.characters],
            "avoid": self.avoid,
            "language": self.language,
            "chapters": self.chapters,
        }
        if self.length is not None:
            given = vars(self.length)
            wishes["length"] = {
                measure: value for measure, value in given.items() if value is not strawberry.UNSET
            }
        return wishes


@published.as_input
class CancelStoryInput:
    """Which story is not wanted any more."""

    story_id: strawberry.ID = strawberry.field(description="The `id` of the story.")


@published.as_input
class StoryFilter:
    """Which stories a list shows."""

    status: list[StoryStatus] | None = strawberry.field(
        default=None, description="Only those that stand here; null or empty for all."
    )
