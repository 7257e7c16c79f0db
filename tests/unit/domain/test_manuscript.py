"""A manuscript cleans text that comes in pieces."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.manuscript import Manuscript
from domain.text import scrub

LETTERS = st.characters() | st.sampled_from(
    " \t\n\r\x00\u0301\u0308\u0323\u200f\u202e\ud83d\ude00aeo\u00e9\u1100\u1161\u11a8\u09c7\u09be"
)
TEXTS = st.text(LETTERS, max_size=60)


def cleaned(*pieces: str) -> str:
    manuscript = Manuscript()
    return "".join(manuscript.add(piece) for piece in pieces) + manuscript.end()


@given(TEXTS, st.lists(st.integers(0, 60)))
def test_the_same_text_comes_out_however_it_is_cut(text: str, cuts: list[int]) -> None:
    edges = sorted({0, *cuts, len(text)})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert cleaned(*pieces) == cleaned(text)


@given(TEXTS)
def test_what_comes_out_is_clean(text: str) -> None:
    clean = cleaned(text)
    assert clean == scrub(clean)
    assert unicodedata.is_normalized("NFC", clean)
    assert clean == clean.strip(" \t\n")
    assert not any(bad in clean for bad in ("\n\n\n", "  ", "\t", " \n", "\n "))
    assert cleaned(clean) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  Once.\r\n\r\n\r\n\r\nTwice. \n", "Once.\n\nTwice."),
        ("A line\nof verse", "A line\nof verse"),
        ("two  \t spaces", "two spaces"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u202egnp.exe\x00", "gnp.exe"),
        (" \n\t ", ""),
    ],
)
def test_spaces_are_folded_and_characters_without_a_place_dropped(text: str, clean: str) -> None:
    assert cleaned(text) == clean


def test_a_letter_is_settled_once_no_accent_can_follow_it() -> None:
    manuscript = Manuscript()
    assert manuscript.add("The cafe") == "The caf"
    assert manuscript.add("\u0301") == ""
    assert manuscript.add(" is") == "\u00e9 i"
    assert manuscript.end() == "s"
