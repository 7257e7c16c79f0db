"""Text is released by sentences, or by the clock."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.manuscript import Manuscript
from domain.stories import TokenUsage
from tests.virtual_time import run_in_virtual_time
from usecases.stories.release import BREATH, LONGEST_PIECE, PAUSE, Pace, released

NEVER = 60.0
ALMOST = 1e-6
"""Seconds that sums of times may be off."""


async def tale(*chunks: str | TokenUsage) -> AsyncGenerator[str | TokenUsage, None]:
    for chunk in chunks:
        yield chunk


async def pieces_of(*chunks: str | TokenUsage, pause: float = NEVER) -> list[str | TokenUsage]:
    return [piece async for piece in released(tale(*chunks), pause, Pace(breath=0))]


@dataclass(frozen=True)
class Piece:
    """A released piece and when it went."""

    text: str
    at: float


Timed = list[tuple[float, str]]
"""Chunks, and the seconds that the storyteller takes for each."""


def released_in_time(chunks: Timed, pace: Pace | None = None, write: float = 0) -> list[Piece]:
    """Release chunks in virtual time; the follower takes `write` seconds for each piece."""

    async def telling() -> AsyncGenerator[str | TokenUsage, None]:
        for seconds, chunk in chunks:
            await asyncio.sleep(seconds)
            yield chunk

    async def release() -> list[Piece]:
        pieces, loop = [], asyncio.get_running_loop()
        async for piece in released(telling(), PAUSE, pace):
            pieces.append(Piece(str(piece), loop.time()))
            await asyncio.sleep(write)
        return pieces

    return run_in_virtual_time(release())


def when_the_first_may_go(chunks: Timed) -> float | None:
    """Say when there is a whole sentence or a whole piece, 250 ms have passed, or all is told."""
    manuscript, settled, began, now = Manuscript(), "", None, 0.0
    for seconds, chunk in chunks:
        now += seconds
        if began is not None and now >= began + PAUSE:
            return began + PAUSE
        settled += manuscript.add(chunk)
        if settled and began is None:
            began = now
        if len(settled) >= LONGEST_PIECE or re.search(r"[.!?]+(?=\s)|\n", settled):
            return now
    return now if settled + manuscript.end() else None


def most_in_a_second(pieces: list[Piece]) -> int:
    times = [piece.at for piece in pieces]
    return max((sum(at <= other < at + 1 - ALMOST for other in times) for at in times), default=0)


@pytest.mark.parametrize(
    ("chunks", "pieces"),
    [
        (["One fox. Two", " foxes! Th", "ree."], ["One fox.", " Two foxes!", " Three."]),
        (["Pi is 3.14, ", "he said. Yes"], ["Pi is 3.14, he said.", " Yes"]),
        (['"Stop!" she cried. Why?'], ['"Stop!" she cried.', " Why?"]),
        (["A line\nAnother"], ["A line\n", "Another"]),
        (
            ["\u4ece\u524d\u3002\u6709\u72d0\u3002\u5b8c"],
            ["\u4ece\u524d\u3002\u6709\u72d0\u3002", "\u5b8c"],
        ),
        (["", "  "], []),
    ],
)
async def test_sentences_come_when_they_are_whole(chunks: list[str], pieces: list[str]) -> None:
    assert await pieces_of(*chunks) == pieces


async def test_a_piece_is_no_longer_than_an_event_may_be() -> None:
    pieces = await pieces_of("\U0001f98a" * 1200)
    assert [len(piece) for piece in pieces if isinstance(piece, str)] == [512, 512, 176]
    assert len(("\U0001f98a" * LONGEST_PIECE).encode()) <= 2048


async def test_what_was_used_is_passed_on() -> None:
    usage = TokenUsage(input_tokens=1, output_tokens=2)
    assert await pieces_of("One.", usage) == [usage, "One."]


async def test_text_does_not_wait_longer_than_the_pause_for_its_sentence_to_end() -> None:
    stalled = asyncio.Event()

    async def stalls() -> AsyncGenerator[str | TokenUsage, None]:
        yield "Once upon a time"
        await stalled.wait()
        yield " it went on."

    async with asyncio.timeout(5), aclosing(released(stalls(), 0.001, Pace(0))) as release:
        assert await anext(release) == "Once upon a tim"
        stalled.set()
        assert "".join([str(piece) async for piece in release]) == "e it went on."


async def test_whoever_stops_listening_stops_the_storyteller() -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncGenerator[str | TokenUsage, None]:
        try:
            yield "Once. Upon"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with aclosing(released(endless(), NEVER)) as release:
        assert await anext(release) == "Once."
        assert not ended.is_set()
    assert ended.is_set()


async def test_a_fault_of_the_storyteller_comes_through() -> None:
    async def fails() -> AsyncGenerator[str | TokenUsage, None]:
        yield "Once. "
        raise ConnectionError

    with pytest.raises(ConnectionError):
        _ = [piece async for piece in released(fails(), NEVER)]


@given(st.lists(st.text(st.sampled_from("ab.!? \n\r\u0301\U0001f98a"), max_size=12), max_size=12))
async def test_all_pieces_together_are_the_text_to_store(chunks: list[str]) -> None:
    manuscript = Manuscript()
    stored = manuscript.add("".join(chunks)) + manuscript.end()
    for pause in (0.0, NEVER):
        assert "".join(str(piece) for piece in await pieces_of(*chunks, pause=pause)) == stored


CHUNKS = st.text(st.sampled_from("ab.!? \n\U0001f98a"), max_size=12) | st.integers(1, 300).map(
    lambda words: "word " * words
)
SECONDS = st.sampled_from([0, 0, 0.001, 0.01, 0.04, 0.05, 0.11, 0.24, 0.3, 1.5])


@given(st.lists(st.tuples(SECONDS, CHUNKS), max_size=60), st.sampled_from([0, 0.003, 0.2]))
def test_however_fast_a_tale_is_its_pieces_are_few_small_whole_and_the_first_is_at_once(
    chunks: Timed, write: float
) -> None:
    pieces = released_in_time(chunks, write=write)

    manuscript = Manuscript()
    stored = manuscript.add("".join(chunk for _, chunk in chunks)) + manuscript.end()
    assert "".join(piece.text for piece in pieces) == stored
    assert most_in_a_second(pieces) <= 20
    assert all(0 < len(piece.text.encode()) <= 2048 for piece in pieces)
    first = when_the_first_may_go(chunks)
    assert (pieces[0].at if pieces else None) == (first and pytest.approx(first, abs=ALMOST))


def test_a_hundred_sentences_a_second_go_out_as_twenty_pieces() -> None:
    pieces = released_in_time([(0.01, "A fox ran. ")] * 300)
    assert pieces[0] == Piece("A fox ran.", 0.02)  # a second one shows that it is whole
    assert most_in_a_second(pieces) == 20
    assert pieces[-1].at == pytest.approx(3, abs=2 * BREATH)
    assert max(len(piece.text) for piece in pieces) < 80


def test_a_tale_that_brings_too_much_waits_and_nothing_of_it_is_lost() -> None:
    """10 kB/s go out; the storyteller is not read any faster, so that nothing piles up here."""
    read = list[float]()
    sentence = "word " * 50 + "end. "

    async def telling() -> AsyncGenerator[str | TokenUsage, None]:
        for _ in range(100):
            read.append(asyncio.get_running_loop().time())
            yield sentence

    async def release() -> str:
        return "".join([str(piece) async for piece in released(telling())])

    assert run_in_virtual_time(release()) == (sentence * 100).strip()
    assert read[50] == pytest.approx(read[99] / 2, rel=0.1)
    assert read[99] > 100 * len(sentence) / LONGEST_PIECE * BREATH * 0.9


def test_two_chapters_of_a_story_keep_one_pace() -> None:
    pace = Pace()

    async def release() -> list[float]:
        loop, times = asyncio.get_running_loop(), list[float]()
        for _ in range(5):
            async for _piece in released(tale("One. ", "Two. ", "Three."), PAUSE, pace):
                times.append(loop.time())
        return times

    times = run_in_virtual_time(release())
    assert len(times) == 6  # a chapter that is told while there is no room goes as one piece
    assert all(later - earlier >= BREATH - ALMOST for earlier, later in pairwise(times))
