"""Releases a chapter to its followers while it is told: by sentences, or by the clock."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from domain.manuscript import Manuscript
from domain.stories import TokenUsage

PAUSE = 0.25
"""Seconds that text waits for the end of its sentence, at most."""

BREATH = 0.05
"""Seconds between two pieces, at least: no more than 20 of them go out in any second."""

LONGEST_PIECE = 512
"""Characters of an event's text, at most: 2 kB in UTF-8, whatever the script."""

_SENTENCE_END = re.compile(
    r"""
    [.!?\u2026]+ ["'\u201d\u2019\u00bb)\]]* (?=\s)           # a space follows: not in 3.14
    | [\u3002\uff01\uff1f]+ [\u300d\u300f\u201d\u2019\uff09]*  # in scripts without spaces
    | \n+
    """,
    re.VERBOSE,
)


@dataclass(slots=True)
class Pace:
    """Keeps the pieces of one story apart, over all its chapters: by `breath` seconds at least."""

    breath: float = BREATH
    free_at: float = field(default=float("-inf"), init=False)
    """The loop's time from which on the next piece may go."""


async def released(
    tale: AsyncGenerator[str | TokenUsage, None], pause: float = PAUSE, pace: Pace | None = None
) -> AsyncGenerator[str | TokenUsage, None]:
    """Yield a tale's text, cleaned, in pieces that are fit for an event; usage as it comes.

    The first piece goes at once; what comes within a breath of the last one goes together. A tale
    that brings more than a piece in a breath is made to wait: it is read no further until what is
    here has gone. All pieces together are the text to store. When this generator is closed, so is
    the tale.
    """
    loop, pace = asyncio.get_running_loop(), pace or Pace()
    manuscript, waiting, due, ended = Manuscript(), "", 0.0, False
    coming = asyncio.ensure_future(anext(tale, None))
    try:
        while waiting or not ended:
            now = loop.time()
            cut = _cut(waiting, anyway=ended or now >= due)
            if cut and now >= pace.free_at:
                piece, waiting = waiting[:cut], waiting[cut:]
                pace.free_at, due = now + pace.breath, now + pause
                yield piece
                continue
            until = pace.free_at if cut else due
            if ended or len(waiting) >= LONGEST_PIECE:
                await asyncio.sleep(until - now)
                continue
            await asyncio.wait({coming}, timeout=until - now if waiting else None)
            if not coming.done():
                continue
            item = coming.result()
            if item is None:
                waiting, ended = waiting + manuscript.end(), True
                continue
            coming = asyncio.ensure_future(anext(tale, None))
            if isinstance(item, TokenUsage):
                yield item
                continue
            if not waiting:
                due = loop.time() + pause
            waiting += manuscript.add(item)
    finally:
        await _give_up(coming)
        await tale.aclose()


def _cut(text: str, *, anyway: bool) -> int:
    """Return how much of a text may go as one piece.

    That is up to the end of its last whole sentence, or all of it where it must go `anyway`; where
    that is too long, as many sentences as fit, or else as many characters.
    """
    if anyway and len(text) <= LONGEST_PIECE:
        return len(text)
    ends = _SENTENCE_END.finditer(text, 0, LONGEST_PIECE)
    end = max((found.end() for found in ends), default=0)
    return end or (LONGEST_PIECE if len(text) >= LONGEST_PIECE else 0)


async def _give_up(coming: "asyncio.Future[str | TokenUsage | None]") -> None:
    """Stop whoever still reads: that ends a paid request."""
    coming.cancel()
    await asyncio.wait({coming})
    if not coming.cancelled():
        coming.exception()
