"""Places in event logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import Cursor, utf16_length
from domain.refusals import CursorInvalid

NUMBERS = st.integers(min_value=0, max_value=10**18 - 1)


@given(NUMBERS, NUMBERS)
def test_a_cursor_is_read_as_it_was_written(epoch: int, sequence: int) -> None:
    cursor = Cursor(epoch, sequence)
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "a-1",
        "1-\u0662",
        "\u00b2-1",
        "+1-1",
        "1 -1",
        "1" * 40 + "-1",
    ],
)
def test_what_we_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalid) as refusal:
        Cursor.parse(text)
    assert refusal.value.path == ("after",)


def test_places_sort_by_epoch_then_sequence() -> None:
    assert Cursor(0, 9) < Cursor(1, 1) < Cursor(1, 2) < Cursor(10, 1)


@given(st.text())
def test_lengths_are_counted_as_javascript_does(text: str) -> None:
    assert utf16_length(text) == len(text.encode("utf-16-le", "surrogatepass")) // 2
