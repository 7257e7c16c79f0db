"""The domain's enums, published: a description for each value."""

from enum import Enum

import strawberry

from domain.briefs import AgeBand, Genre, Tone
from domain.stories import StoryStatus
from schema import published

published.as_enum(
    StoryStatus,
    "Where a story stands. The last four are ends: nothing more happens after them, but that an "
    "operator may have a failed story written after all.",
    {
        StoryStatus.QUEUED: "It waits for a worker.",
        StoryStatus.PLANNING: "Its outline is being made.",
        StoryStatus.WRITING: "Its chapters are being written.",
        StoryStatus.READY: "It is written and stored.",
        StoryStatus.FAILED: "It could not be written; it does not count against the quota. It is "
        "QUEUED again once an operator has retried it.",
        StoryStatus.CANCELED: "Its owner cancelled it.",
        StoryStatus.BLOCKED: "Its content was refused; wish for something else.",
    },
)

published.as_enum(
    AgeBand,
    "Whom a story is for: it decides vocabulary, sentence length and what may happen.",
    {
        AgeBand.TODDLER: "1 and 2 years.",
        AgeBand.PRESCHOOL: "3 to 5 years.",
        AgeBand.EARLY_READER: "6 to 8 years.",
        AgeBand.MIDDLE_GRADE: "9 to 12 years.",
        AgeBand.TEEN: "13 to 17 years.",
        AgeBand.ADULT: "18 years and older.",
    },
)

published.as_enum(
    Genre,
    "The kind of story.",
    {
        Genre.ADVENTURE: "Somebody sets out, and much happens to them.",
        Genre.ANIMAL_TALE: "Animals act and talk.",
        Genre.BEDTIME: "It ends softly, with everybody asleep.",
        Genre.COMEDY: "Things go wrong, and one laughs.",
        Genre.FAIRY_TALE: "Once upon a time, with wonders.",
        Genre.FANTASY: "In a world with magic.",
        Genre.MYSTERY: "A riddle is solved.",
        Genre.SCIENCE_FICTION: "Machines, space, the time to come.",
        Genre.SLICE_OF_LIFE: "An ordinary day that matters.",
    },
)

published.as_enum(
    Tone,
    "How a story is told.",
    {
        Tone.CALM: "Slow and soft.",
        Tone.FUNNY: "To laugh at.",
        Tone.HEARTWARMING: "Kind, with a warm end.",
        Tone.MYSTERIOUS: "With secrets.",
        Tone.POETIC: "In pictures and sounds.",
        Tone.THRILLING: "To hold one's breath.",
    },
)


@strawberry.enum(name="StoryOrder", description="How a list of stories is sorted.")
class StoryOrder(Enum):
    """The published orders."""

    REQUESTED_AT_DESC = strawberry.enum_value(
        "requested_at_desc", description="Those asked for last come first."
    )
    REQUESTED_AT_ASC = strawberry.enum_value(
        "requested_at_asc", description="Those asked for first come first."
    )
