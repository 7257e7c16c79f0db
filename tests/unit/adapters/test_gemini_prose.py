"""Model text is made plain while it streams, wherever it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gemini.prose import Prose


def cleaned(*pieces: str) -> str:
    prose = Prose()
    return "".join([*(prose.feed(piece) for piece in pieces), prose.close()])


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("One.\nTwo.\n\n\n\nThree.\n", "One.\n\nTwo.\n\nThree."),
        ("\n\n  One  two \r\n three", "One two\n\nthree"),
        ("# Chapter 1: The Fox\n\nMila woke.", "Mila woke."),
        ("**Chapter One**\nMila woke.", "Mila woke."),
        ("Mila woke.\n## Later\nShe slept.", "Mila woke.\n\nLater\n\nShe slept."),
        ("It was **very** *late*, _really_.", "It was very late, really."),
        ("**“Stop!”** she cried.", "“Stop!” she cried."),
        ("One.\n\n***\n\nTwo.\n\n* * *\n\n---\n\nThree.", "One.\n\nTwo.\n\nThree."),
        ("She wrote 5 * 3 = 15 and snake_case.", "She wrote 5 * 3 = 15 and snake_case."),
        ("No# sign, #1 of all.", "No# sign, #1 of all."),
        ("a\x00b\ud800c\u202e d", "abc d"),
        ("", ""),
        ("***", ""),
    ],
)
def test_markdown_and_stray_breaks_are_removed(raw: str, clean: str) -> None:
    assert cleaned(raw) == clean


@given(
    words=st.lists(
        st.sampled_from(["Mila", "**bold**", "# ", "\n", "\n\n", " ", "*", "ran.", "é", "***\n"])
    ),
    cuts=st.lists(st.integers(0, 60)),
)
def test_it_does_not_matter_where_a_stream_is_cut(words: list[str], cuts: list[int]) -> None:
    raw = "".join(words)
    at = sorted({0, *(cut for cut in cuts if cut < len(raw)), len(raw)})
    pieces = [raw[start:end] for start, end in pairwise(at)]
    assert cleaned(*pieces) == cleaned(raw)
    assert "\n\n\n" not in cleaned(raw)
    assert cleaned(raw) == cleaned(raw).strip()
