"""Who follows all stories in the soak believes nothing: each breach would be seen."""

from typing import Any

import pytest

from bench.soak.library import LibraryReader


def event(kind: str, cursor: str, story: str = "A", at: int = 0) -> dict[str, Any]:
    told = {"__typename": kind, "cursor": cursor, "occurredAt": f"2026-01-01T00:00:{at:02}Z"}
    return told | ({} if kind.startswith("Library") else {"storyId": story})


def library(cursor: str, *stories: str) -> dict[str, Any]:
    return event("LibrarySnapshot", cursor) | {"stories": [{"storyId": each} for each in stories]}


def told(*events: dict[str, Any]) -> LibraryReader:
    reader = LibraryReader()
    for now, one in enumerate(events):
        reader.read(one, now)
    return reader


def test_each_story_of_a_library_has_one_end() -> None:
    reader = told(
        library("7-0", "A"),
        event("TextAppended", "7-1"),
        event("StoryQueued", "7-2", "B"),
        event("StoryReady", "7-3"),
        event("StoryCanceled", "7-4", "B"),
    )

    assert reader.ends == {"A": 1, "B": 1}
    assert reader.knows_the_end("A", since=0)
    assert reader.unfinished == set()


def test_a_story_whose_end_is_owed_is_not_over() -> None:
    reader = told(library("7-0", "A"), event("StoryQueued", "7-1", "B"))

    assert not reader.knows_the_end("A", since=0)
    assert not reader.knows_the_end("B", since=0.5)
    assert not reader.knows_the_end("never heard of", since=0.5)


def test_what_a_snapshot_leaves_out_is_over_only_for_who_had_it_before() -> None:
    reader = told(library("7-0", "A", "B"), event("LibraryGap", "7-0"), library("9-3", "B"))

    assert reader.knows_the_end("A", since=1)
    assert not reader.knows_the_end("B", since=1)
    assert not reader.knows_the_end("asked for later", since=2.5)


def test_a_hole_is_a_breach() -> None:
    reader = told(library("7-0", "A"), event("TextAppended", "7-1", at=3))

    with pytest.raises(AssertionError, match="7-3 came after 7-1"):
        reader.read(event("StoryReady", "7-3", at=4), 0)


def test_a_snapshot_stands_for_what_is_older_and_for_no_more() -> None:
    reader = told(
        library("7-0", "A"),
        event("TextAppended", "7-4", at=1),
        event("TextAppended", "7-6", at=5),
    )

    with pytest.raises(AssertionError, match="7-8 came after 7-6"):
        reader.read(event("StoryReady", "7-8", at=6), 0)


def test_an_empty_library_stands_for_nothing() -> None:
    reader = told(library("7-0"))

    with pytest.raises(AssertionError, match="7-2 came after 7-0"):
        reader.read(event("StoryQueued", "7-2"), 0)


def test_who_came_back_has_no_excuse_for_a_hole() -> None:
    reader = told(library("7-0", "A"), event("TextAppended", "7-1", at=5))

    assert reader.come_back() == "7-1"
    with pytest.raises(AssertionError, match="came after"):
        reader.read(event("TextAppended", "7-3", at=6), 0)


def test_ends_that_a_snapshot_shows_share_its_cursor_and_are_told_no_more() -> None:
    reader = told(
        library("7-0", "A", "B"),
        event("StoryReady", "7-0", "A"),
        event("TextAppended", "7-1", "B", at=9),
        event("TextAppended", "7-3", "B", at=9),  # between them A's own end, which is known
        event("StorySnapshot", "7-4", "C", at=9),
        event("StoryFailed", "7-4", "C", at=1),
    )

    assert reader.ends == {"A": 1, "C": 1}


def test_a_place_that_leads_nowhere_may_stand_for_all_until_the_log_is_past_a_snapshot() -> None:
    away = "0-100000000000000000"
    reader = told(
        library(away, "A", "B"),
        event("StoryReady", away, "A"),
        event("TextAppended", away, "B", at=1),
        event("TextAppended", "7-5", "B", at=1),
        event("StoryReady", "7-6", "B", at=9),
    )

    assert reader.ends == {"A": 1, "B": 1}


def test_no_two_events_share_a_cursor() -> None:
    reader = told(library("7-0"), event("StoryQueued", "7-1"))

    with pytest.raises(AssertionError, match="7-1 came after 7-1"):
        reader.read(event("StoryReady", "7-1"), 0)


def test_an_end_that_is_told_twice_is_counted_twice() -> None:
    reader = told(library("7-0", "A"), event("StoryReady", "7-1"), event("StoryReady", "7-2"))

    assert reader.ends == {"A": 2}


@pytest.mark.parametrize(
    ("events", "breach"),
    [
        ([event("TextAppended", "7-1")], "before the first snapshot"),
        ([library("7-0"), library("7-1")], "for no reason"),
        (
            [library("7-0"), event("LibraryGap", "7-0"), event("TextAppended", "7-1")],
            "came after a gap",
        ),
        (
            [library("7-0", "A"), event("StoryReady", "7-1"), event("TextAppended", "7-2")],
            "after the end of its story",
        ),
        (
            [
                library("7-0", "A"),
                event("StoryReady", "7-1"),
                event("LibraryGap", "7-1"),
                library("7-1", "A"),
            ],
            "unfinished once more",
        ),
    ],
)
def test_what_does_not_fit_is_a_breach(events: list[dict[str, Any]], breach: str) -> None:
    with pytest.raises(AssertionError, match=breach):
        told(*events)


def test_who_was_told_of_a_gap_and_no_more_begins_anew() -> None:
    reader = told(library("7-0"), event("LibraryGap", "7-0"))

    assert reader.come_back() is None
    reader.read(library("8-0"), 3)
    assert reader.come_back() == "8-0"
