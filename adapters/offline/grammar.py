"""A small grammar for prose, and the one who speaks it.

Markup: `{a|b}` is either; `[a]` is for readers who like long sentences; `<a/b>` is plain or rich
by the reader's age; `$name` is a slot. Slots are filled after the markup was read, so that nothing
a user wrote is ever taken for markup. Maintained grammar libraries for Python were not found.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Final

from adapters.offline.english import capitalised, title_case, with_article

_MARKS: Final = re.compile(r"[{}\[\]<>|/]|\$[A-Za-z_]+")
_SHORTEST_PLURAL: Final = 3
_UNAVOIDABLE: Final = re.compile(
    r"an?|and|as|at|but|for|he|i|in|is|it|no|not|of|on|or|she|so|that|the|they|this|to|was|we|with"
)
"""Words without which nothing can be said."""
_CLOSING: Final = {"{": "}", "[": "]", "<": ">"}


@dataclass(frozen=True, slots=True)
class Word:
    """Text as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A gap, by its name in the markup: `a_creature`, `Group`, `Object_title`."""

    name: str


@dataclass(frozen=True, slots=True)
class Either:
    """One of several phrasings."""

    options: tuple["Phrase", ...]


@dataclass(frozen=True, slots=True)
class Ornament:
    """What can be left out."""

    phrase: "Phrase"


@dataclass(frozen=True, slots=True)
class Register:
    """The same, plainly and richly."""

    plain: "Phrase"
    rich: "Phrase"


Phrase = tuple[Word | Slot | Either | Ornament | Register, ...]


@lru_cache(maxsize=4096)
def parse(markup: str) -> Phrase:
    """Read markup. Raises ValueError where a bracket is not closed."""
    reader = _Reader(markup)
    phrase = reader.phrase(until="")
    return phrase[0]


class _Reader:
    def __init__(self, markup: str) -> None:
        self._markup = markup
        self._at = 0

    def phrase(self, until: str) -> tuple[Phrase, ...]:
        """Read up to the closing mark `until`; return the parts between its separators."""
        separator = {"}": "|", ">": "/"}.get(until, "")
        parts: list[Phrase] = []
        nodes: list[Word | Slot | Either | Ornament | Register] = []
        while match := _MARKS.search(self._markup, self._at):
            nodes.append(Word(self._markup[self._at : match.start()]))
            self._at = match.end()
            mark = match[0]
            if mark == until:
                return (*parts, tuple(nodes))
            if mark == separator:
                parts.append(tuple(nodes))
                nodes = []
            elif mark in _CLOSING:
                nodes.append(_node(mark, self.phrase(_CLOSING[mark])))
            elif mark.startswith("$"):
                nodes.append(Slot(mark[1:]))
            else:
                nodes.append(Word(mark))
        if until:
            raise ValueError(f"{until} is missing in: {self._markup}")
        nodes.append(Word(self._markup[self._at :]))
        return (*parts, tuple(nodes))


def _node(mark: str, parts: tuple[Phrase, ...]) -> Either | Ornament | Register:
    if mark == "{":
        return Either(parts)
    if mark == "[":
        return Ornament(parts[0])
    plain, rich = parts
    return Register(plain, rich)


class Unspeakable(Exception):  # noqa: N818 - a phrase that must not be said, not an error
    """Every way to say it holds a word that is to be avoided."""


@dataclass(frozen=True, slots=True)
class Avoided:
    """The words that our own text must not hold."""

    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, words: Iterable[str]) -> "Avoided":
        """Avoid these words in every form they usually take: `spiders` avoids `spider` too."""
        forms = "|".join(
            _forms(word.lower()) for word in words if not _UNAVOIDABLE.fullmatch(word.lower())
        )
        return cls(re.compile(rf"(?<!\w)(?:{forms})(?!\w)", re.IGNORECASE) if forms else None)

    def holds(self, text: str) -> bool:
        """Whether the text has one of them."""
        return bool(self.pattern and self.pattern.search(text))


def _forms(word: str) -> str:
    """Return a pattern of a word's forms: plural, past, comparative, and the like."""
    if word.endswith("ies"):
        word = f"{word.removesuffix('ies')}y"
    elif len(word) > _SHORTEST_PLURAL and word.endswith("s") and not word.endswith("ss"):
        word = word.removesuffix("s")
    if word.endswith("y"):
        return f"{re.escape(word.removesuffix('y'))}(?:y|ie[sdr])"
    return f"{re.escape(word)}(?:e?s|e?d|e?r|ing|ly|ness|en|y)?"


class Bag:
    """Draws without putting back, until it is empty; then it is filled again."""

    def __init__(self, chance: Random, things: Sequence[str]) -> None:
        self._chance = chance
        self._things = tuple(things)
        self._left: list[str] = []

    def draw(self) -> str:
        """Take one out."""
        if not self._left:
            self._left = list(self._things)
            self._chance.shuffle(self._left)
        return self._left.pop()


@dataclass(slots=True)
class Speaker:
    """Says phrases for one reader.

    `richness` from 0 to 1 is how much ornament the reader likes. `verbatim` holds what the user
    wrote: it goes in as it is, and may hold what our own words avoid.
    """

    chance: Random
    richness: float
    avoided: Avoided
    bags: Mapping[str, Bag]
    verbatim: Mapping[str, str]
    fixed: dict[str, str] = field(default_factory=dict)

    def say(self, markup: str, **verbatim: str) -> str:
        """Fill in the markup: one noun for each slot throughout. Raises Unspeakable."""
        said = _Utterance(self, {**self.verbatim, **verbatim}).say(parse(markup.strip()))
        # What was left out leaves its spaces behind.
        return "\n".join(" ".join(line.split()) for line in said.split("\n")).strip()

    def say_first(self, variants: Iterable[str], **verbatim: str) -> str:
        """Say the first variant that can be said. Raises Unspeakable where none can."""
        for markup in variants:
            try:
                return self.say(markup, **verbatim)
            except Unspeakable:
                continue
        raise Unspeakable

    def shuffled(self, variants: Sequence[str]) -> list[str]:
        """Return the variants in an order of chance."""
        return self.chance.sample(variants, len(variants))


class _Utterance:
    """One phrase being said: its slots, once filled, stay."""

    def __init__(self, speaker: Speaker, verbatim: Mapping[str, str]) -> None:
        self._speaker = speaker
        self._verbatim = verbatim
        self._drawn: dict[str, str] = {}

    def say(self, phrase: Phrase) -> str:
        return "".join(self._node(node) for node in phrase)

    def _node(self, node: Word | Slot | Either | Ornament | Register) -> str:
        match node:
            case Word(text):
                if self._speaker.avoided.holds(text):
                    raise Unspeakable
                return text
            case Slot(name):
                return self._fill(name)
            case Either(options):
                return self._first(self._speaker.chance.sample(options, len(options)))
            case Ornament(inner):
                if self._speaker.chance.random() >= self._speaker.richness:
                    return ""
                return self._first([inner, ()])
            case Register(plain, rich):
                is_rich = self._speaker.richness > 0.5  # noqa: PLR2004 - the richer half
                return self._first([rich, plain] if is_rich else [plain, rich])

    def _first(self, phrases: Iterable[Phrase]) -> str:
        for phrase in phrases:
            try:
                return self.say(phrase)
            except Unspeakable:
                continue
        raise Unspeakable

    def _fill(self, name: str) -> str:
        if name in self._verbatim:
            return self._verbatim[name]
        key = name.lower().removesuffix("_title").removeprefix("a_")
        value = self._noun(key)
        if name.endswith("_title"):
            return title_case(value)
        if name.lower().startswith("a_"):
            value = with_article(value)
        return capitalised(value) if name[0].isupper() else value

    def _noun(self, key: str) -> str:
        if key in self._speaker.fixed:
            return self._speaker.fixed[key]
        if key not in self._drawn:
            self._drawn[key] = self._speaker.bags[key].draw()
        return self._drawn[key]
