"""Text is released by sentences, or by the clock."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.manuscript import Manuscript
from domain.stories import TokenUsage
from usecases.stories.release import LONGEST_PIECE, released

NEVER = 60.0


async def tale(*chunks: str | TokenUsage) -> AsyncGenerator[str | TokenUsage, None]:
    for chunk in chunks:
        yield chunk


async def pieces_of(*chunks: str | TokenUsage, pause: float = NEVER) -> list[str | TokenUsage]:
    return [piece async for piece in released(tale(*chunks), pause)]


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

    async with asyncio.timeout(5), aclosing(released(stalls(), 0.001)) as release:
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
