"""Releases a chapter to its followers while it is told: by sentences, or by the clock."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator

from domain.manuscript import Manuscript
from domain.stories import TokenUsage

PAUSE = 0.25
"""Seconds that text waits for the end of its sentence, at most."""

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


async def released(
    tale: AsyncGenerator[str | TokenUsage, None], pause: float = PAUSE
) -> AsyncGenerator[str | TokenUsage, None]:
    """Yield a tale's text, cleaned, in pieces that are fit for an event; usage as it comes.

    All pieces together are the text to store. When this generator is closed, so is the tale.
    """
    loop = asyncio.get_running_loop()
    manuscript, waiting, due = Manuscript(), "", 0.0
    coming = asyncio.ensure_future(anext(tale, None))
    try:
        while True:
            wait = max(0.0, due - loop.time()) if waiting else None
            await asyncio.wait({coming}, timeout=wait)
            if coming.done():
                item = coming.result()
                if item is None:
                    break
                coming = asyncio.ensure_future(anext(tale, None))
                if isinstance(item, TokenUsage):
                    yield item
                    continue
                if not waiting:
                    due = loop.time() + pause
                waiting += manuscript.add(item)
            cut = len(waiting) if loop.time() >= due else _last_end(waiting)
            for piece in _pieces(waiting[:cut]):
                yield piece
            if cut:
                waiting, due = waiting[cut:], loop.time() + pause
        for piece in _pieces(waiting + manuscript.end()):
            yield piece
    finally:
        await _give_up(coming)
        await tale.aclose()


def _last_end(text: str) -> int:
    return max((found.end() for found in _SENTENCE_END.finditer(text)), default=0)


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), LONGEST_PIECE):
        yield text[start : start + LONGEST_PIECE]


async def _give_up(coming: "asyncio.Future[str | TokenUsage | None]") -> None:
    """Stop whoever still reads: that ends a paid request."""
    coming.cancel()
    await asyncio.wait({coming})
    if not coming.cancelled():
        coming.exception()
