"""Compression of answers (RFC 9110, 8.4).

Answers that hold a secret beside what their caller chose are left as they are: their length would
tell the one of the other (BREACH).
"""

import asyncio
import gzip

from starlette.datastructures import Headers

WORTH_BYTES = 1_024
"""Smaller ones gain less than they cost."""

LEVEL = 5
BRIEF_BYTES = 65_536
"""What takes longer than a moment to compress is compressed beside the event loop."""


async def compressed(body: bytes, headers: Headers) -> tuple[str | None, bytes]:
    """Return the content coding that the client takes, if any, and the body in it."""
    if len(body) <= WORTH_BYTES or not takes_gzip(headers.get("accept-encoding", "")):
        return None, body
    if len(body) <= BRIEF_BYTES:
        return "gzip", gzip.compress(body, LEVEL)
    return "gzip", await asyncio.to_thread(gzip.compress, body, LEVEL)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` names gzip, or everything, and does not weigh it with 0."""
    weights = {}
    for element in accept_encoding.lower().split(","):
        coding, _, weight = (part.strip() for part in element.partition(";"))
        weights[coding] = weight.replace(" ", "")
    return not _is_zero(weights.get("gzip", weights.get("*", "q=0")))


def _is_zero(weight: str) -> bool:
    return weight.startswith("q=0") and not weight.removeprefix("q=0").strip(".0")
