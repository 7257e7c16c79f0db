"""What a reader asks for: the normalised request that a storyteller works from."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from domain.entity import Value
from domain.text import WORDS_A_MINUTE, clean, one_line

Line = Annotated[str, AfterValidator(one_line)]
Prose = Annotated[str, AfterValidator(clean)]

DEFAULT_MINUTES = 4
WORDS_A_CHAPTER = 250


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


class StoryBrief(Value):
    """One request, checked and complete. What is None is the storyteller's to choose."""

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
    language: str = Field(default="en", max_length=35, description="BCP 47")
    words: int = Field(default=DEFAULT_MINUTES * WORDS_A_MINUTE, ge=100, le=5000)
    chapters: int = Field(default=3, ge=1, le=12)

    @property
    def minutes(self) -> int:
        """The time it takes to read it aloud, in whole minutes, at least one."""
        return max(1, round(self.words / WORDS_A_MINUTE))


def chapters_for(words: int) -> int:
    """How many chapters a story of that length has where none were asked for."""
    return min(12, max(1, round(words / WORDS_A_CHAPTER)))
