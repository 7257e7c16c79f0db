"""What is told of one beat, as it grows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from adapters.offline.material import Phase
from domain.text import count_words

SCENES: Final[dict[str, tuple[Phase, Literal["before", "after"]]]] = {
    "opening": ("everyday", "after"),
    "companions": ("everyday", "after"),
    "spark": ("everyday", "before"),
    "decision": ("preparing", "after"),
    "obstacle": ("journey", "before"),
    "attempt1": ("journey", "before"),
    "attempt2": ("journey", "before"),
    "low": ("night", "after"),
    "turn": ("journey", "before"),
    "climax": ("journey", "before"),
    "resolution": ("return", "after"),
    "echo": ("return", "before"),
}
"""Which scenes go with a beat, and on which side of it they stand."""

_SPEECH: Final = 15
"""After so many words that began with a speaker, the narrator starts another paragraph."""


@dataclass(slots=True)
class Passage:
    """What is told of one beat."""

    beat: str
    chapter: int
    core: str
    prelude: list[str] = field(default_factory=list)
    wishes: list[str] = field(default_factory=list)
    must: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    scenes: list[str] = field(default_factory=list)
    closing: str = ""

    @property
    def words(self) -> int:
        """How long it is by now."""
        return sum(map(count_words, self.paragraphs))

    @property
    def paragraphs(self) -> list[str]:
        """Its text by now."""
        told = [*paragraphs([self.core, *self.wishes, *self.more, *self.must])]
        before = SCENES[self.beat][1] == "before"
        body = [*self.scenes, *told] if before else [*told, *self.scenes]
        return [part for part in (" ".join(self.prelude), *body, self.closing) if part]


def paragraphs(sentences: Sequence[str]) -> Iterator[str]:
    """Join sentences; a paragraph mark begins another paragraph, and so does a speaker."""
    paragraph = ""
    for told in sentences:
        first, *rest = told.removeprefix("\u00b6").split("\u00b6")
        was_spoken = paragraph.startswith("\u201c") and count_words(paragraph) > _SPEECH
        if paragraph and (was_spoken or told.startswith(("\u00b6", "\u201c"))):
            yield paragraph
            paragraph = ""
        paragraph = f"{paragraph} {first}".strip()
        for part in rest:
            yield paragraph
            paragraph = part.strip()
    if paragraph:
        yield paragraph
