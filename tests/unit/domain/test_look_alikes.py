"""Which domains are taken for others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.look_alikes import imitates


@pytest.mark.parametrize(
    "domain",
    [
        "readers.example",
        "b\u00fccher.example",
        "\u043f\u043e\u0447\u0442\u0430.example",
        "\u043f\u043e\u0447\u0442\u0430.\u0440\u0444",
        "\u0441\u043e\u0441.\u0440\u0444",
        "\u03b5\u03bb\u03bb\u03ac\u03b4\u03b1.example",
        "\u6771\u4eac\u30bf\u30ef\u30fc.example",
        "abc\u6771\u4eac.example",
        "\ud55c\uad6d.example",
        "\u0645\u062b\u0627\u0644.example",
        "\u0909\u0926\u093e\u0939\u0930\u0923.example",
        "mail-2.example",
    ],
    ids=ascii,
)
def test_honest_names_of_every_alphabet_are_taken(domain: str) -> None:
    assert not imitates(domain)


@pytest.mark.parametrize(
    "domain",
    [
        "ex\u0430mple.com",
        "p\u0430yp\u0430l.example",
        "g\u03bfogle.example",
        "mail.\u0435xample.com",
        "\u0430\u0440\u0440\u04cf\u0435.com",
        "\u0441\u043e\u0441.com",
        "\u03bf\u03c5\u03c4.com",
        "\u0585\u0578.com",
        "example.c\u043em",
        "\u3078\u0430.example",
        "\u13a0\u13a1.example",
        "a\u6771\u0430.example",
    ],
    ids=ascii,
)
def test_mixed_and_imitating_names_are_not(domain: str) -> None:
    assert imitates(domain)


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,10}){1,3}", fullmatch=True))
def test_what_is_ascii_never_imitates(domain: str) -> None:
    assert not imitates(domain)


@given(
    st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=1, max_size=20),
    st.sampled_from("\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u03bf\u03b1\u0585"),
    st.integers(0, 20),
)
def test_one_foreign_letter_in_a_latin_label_is_enough(latin: str, letter: str, at: int) -> None:
    assert imitates(f"{latin[:at]}{letter}{latin[at:]}.example")
