"""English as far as it must be known: articles, lists, capitals, and what users call people."""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

import inflect

_SMALL_WORDS: Final = frozenset(
    {"a", "an", "the", "of", "with", "and", "in", "on", "that", "who", "for", "from", "to", "at"}
)
_ENDS: Final = (".", "!", "?", "\u2026", ".\u201d", "!\u201d", "?\u201d", '."', '!"', '?"')
_DETERMINED: Final = re.compile(
    r"(?:a|an|the|my|our|your|his|her|their|its|one|two|three|four|some|many|no|every|each)\b"
    r"|\S+(?:'s|\u2019s)\b",
    re.IGNORECASE,
)


@cache
def _inflect() -> inflect.engine:
    return inflect.engine()


@lru_cache(maxsize=1024)
def with_article(noun: str) -> str:
    """Put a or an before a noun phrase, by its sound."""
    return str(_inflect().a(noun))


def is_determined(phrase: str) -> bool:
    """Whether a noun phrase has its article or its owner already."""
    return bool(_DETERMINED.match(phrase))


@lru_cache(maxsize=256)
def is_plural(noun: str) -> bool:
    """Whether the noun is a plural."""
    return bool(re.fullmatch(r"[A-Za-z'-]+", noun)) and bool(_inflect().singular_noun(noun))


def listed(things: Sequence[str]) -> str:
    """Join things the way one says them: `a`, `a and b`, `a, b and c`."""
    *most, last = things
    return f"{', '.join(most)} and {last}" if most else last


def capitalised(text: str) -> str:
    """Return the text with a capital first letter, and nothing else changed."""
    return text[:1].upper() + text[1:]


def title_case(text: str) -> str:
    """Write a noun phrase as in a title."""
    words = text.split()
    return " ".join(
        word if index and word in _SMALL_WORDS else capitalised(word)
        for index, word in enumerate(words)
    )


def sentence(text: str) -> str:
    """Give a text the full stop that it lacks."""
    return text if text.endswith(_ENDS) else f"{text}."
