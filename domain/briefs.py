"""What a reader asks for: the normalised request that a storyteller works from."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from domain.entity import Value
from domain.text import WORDS_A_MINUTE, clean, one_line

Line = Annotated[str, AfterValidator(one_line)]
Prose = Annotated[str, AfterValidator(clean)]

DEFAULT_MINUTES = 4
WORDS_A_CHAPTER = 250

_LANGUAGE_TAG = re.compile(
    r"""
    (?P<language> [a-z]{2,3} (-[a-z]{3}){0,3} | [a-z]{4,8} )
    (?P<script> -[a-z]{4} )?
    (?P<region> -([a-z]{2}|[0-9]{3}) )?
    (?P<rest>
        (-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*    # variants
        (-[a-wyz0-9](-[a-z0-9]{2,8})+)*         # extensions
        (-x(-[a-z0-9]{1,8})+)?                  # private use
    )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
"""A well-formed tag of RFC 5646, section 2.1, without the grandfathered ones."""


def language_tag(text: str) -> str:
    """Return a BCP 47 tag in its usual case, like `pt-BR`. Raises ValueError."""
    parts = _LANGUAGE_TAG.fullmatch(text)
    if parts is None:
        raise ValueError("must be a language tag of BCP 47, like en or pt-BR")
    script, region = parts["script"] or "", parts["region"] or ""
    script = script[:2].upper() + script[2:].lower()
    return parts["language"].lower() + script + region.upper() + parts["rest"].lower()


LanguageTag = Annotated[str, Field(max_length=35), AfterValidator(language_tag)]


class AgeBand(StrEnum):
    """Whom the story is for; it decides vocabulary, sentence length and what may happen."""

    TODDLER = "toddler"
    PRESCHOOL = "preschool"
    EARLY_READER = "early_reader"
    MIDDLE_GRADE = "middle_grade"
    TEEN = "teen"
    ADULT = "adult"


class Genre(StrEnum):
    """The kind of story."""

    ADVENTURE = "adventure"
    ANIMAL_TALE = "animal_tale"
    BEDTIME = "bedtime"
    COMEDY = "comedy"
    FAIRY_TALE = "fairy_tale"
    FANTASY = "fantasy"
    MYSTERY = "mystery"
    SCIENCE_FICTION = "science_fiction"
    SLICE_OF_LIFE = "slice_of_life"


class Tone(StrEnum):
    """How the story is told."""

    CALM = "calm"
    FUNNY = "funny"
    HEARTWARMING = "heartwarming"
    MYSTERIOUS = "mysterious"
    POETIC = "poetic"
    THRILLING = "thrilling"


class Character(Value):
    """Someone who takes part in the story."""

    name: Annotated[Line, Field(min_length=1, max_length=40)]
    role: Annotated[Line, Field(min_length=1, max_length=60)] | None = None
    traits: tuple[Annotated[Line, Field(min_length=1, max_length=40)], ...] = Field(
        default=(), max_length=5
    )


class StoryLength(Value):
    """How long a story is to be: in words, or in minutes of reading it aloud."""

    words: int | None = Field(default=None, ge=100, le=5000)
    minutes: int | None = Field(default=None, ge=1, le=30)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.words is None) == (self.minutes is None):
            raise ValueError("must be given in words or in minutes, not in both")
        return self

    @property
    def in_words(self) -> int:
        """The length in words."""
        return self.words or (self.minutes or DEFAULT_MINUTES) * WORDS_A_MINUTE


class StoryWishes(Value):
    """What a story is to be like. What is None is the storyteller's to choose."""

    idea: Annotated[Prose, Field(max_length=500)] | None = None
    audience: AgeBand = AgeBand.EARLY_READER
    genre: Genre | None = None
    themes: tuple[Annotated[Line, Field(min_length=1, max_length=40)], ...] = Field(
        default=(), max_length=5
    )
    setting: Annotated[Line, Field(min_length=1, max_length=120)] | None = None
    moral: Annotated[Line, Field(min_length=1, max_length=160)] | None = None
    tone: Tone | None = None
    characters: tuple[Character, ...] = Field(default=(), max_length=6)
    avoid: tuple[Annotated[Line, Field(min_length=1, max_length=40)], ...] = Field(
        default=(), max_length=10
    )
    language: LanguageTag = "en"


class StoryRequest(StoryWishes):
    """What was asked for: everything may be left out."""

    length: StoryLength = StoryLength(minutes=DEFAULT_MINUTES)
    chapters: int | None = Field(default=None, ge=1, le=12)

    def brief(self, interests: Sequence[str]) -> "StoryBrief":
        """Complete the request: without themes of its own, it is about its reader's interests."""
        words = self.length.in_words
        return StoryBrief(
            **self.model_dump(exclude={"length", "chapters", "themes"}),
            themes=self.themes or tuple(interests),
            words=words,
            chapters=self.chapters or chapters_for(words),
        )


class StoryBrief(StoryWishes):
    """One request, checked and complete: what a storyteller works from."""

    words: int = Field(default=DEFAULT_MINUTES * WORDS_A_MINUTE, ge=100, le=5000)
    chapters: int = Field(default=3, ge=1, le=12)

    @property
    def minutes(self) -> int:
        """The time it takes to read it aloud, in whole minutes, at least one."""
        return max(1, round(self.words / WORDS_A_MINUTE))


def chapters_for(words: int) -> int:
    """How many chapters a story of that length has where none were asked for."""
    return min(12, max(1, round(words / WORDS_A_CHAPTER)))
