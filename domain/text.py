"""Rules for text that people and models send."""

import unicodedata

BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""Marks that reorder what a reader sees (Unicode TR36, "Trojan Source")."""

WORDS_A_MINUTE = 150
"""How fast a story is read aloud."""


def one_line(text: str) -> str:
    """Return `text` in NFC with its spaces folded.

    Raises ValueError where it holds control characters, bidirectional overrides or nothing at all.
    """
    text = " ".join(clean(text).split())
    if not text:
        raise ValueError("must not be blank")
    return text


def clean(text: str) -> str:
    """Return `text` in NFC. Raises ValueError for characters that have no place in a text.

    Refused: control characters but line feed and tab, bidirectional overrides, lone surrogates.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    for character in text:
        if character in "\n\t":
            continue
        if character in BIDI_CONTROLS or unicodedata.category(character) in {"Cc", "Cs"}:
            raise ValueError(f"must not contain the character U+{ord(character):04X}")
    return text


def scrub(text: str) -> str:
    """Return what PostgreSQL and readers can take of a model's answer: the rest is dropped."""
    return "".join(
        character
        for character in unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
        if character in "\n\t"
        or (character not in BIDI_CONTROLS and unicodedata.category(character) not in {"Cc", "Cs"})
    )


def count_words(text: str) -> int:
    """Count the words of a text as a reader would: runs between spaces."""
    return len(text.split())
