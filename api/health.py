"""Health: whether the process lives, and whether everything that it needs is there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson
from starlette.types import Receive, Scope, Send

from api.answers import NO_STORE, send_body, send_refusal
from api.codes import Code
from api.drain import Drain
from api.graphql.negotiation import JSON

Check = Callable[[], Awaitable[object]]
"""Asks one part whether it is well: anything that it raises means no."""

OK, UNAVAILABLE, DRAINING = "ok", "unavailable", "draining"


@dataclass(frozen=True, slots=True)
class Live:
    """The process answers: that is all."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200."""
        del receive
        await _tell(scope, send, 200, {"status": OK})


@dataclass(frozen=True, slots=True)
class Ready:
    """Every part is well and the process is not about to stop; else 503.

    Each part has `seconds` to answer. What is wrong with it is for the log of that part, not for
    whoever asks here.
    """

    checks: Mapping[str, Check]
    drain: Drain
    seconds: float = 2

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the state of each part."""
        del receive
        states = await asyncio.gather(*map(self._state, self.checks))
        parts = dict(zip(self.checks, states, strict=True))
        status = OK if set(parts.values()) <= {OK} else UNAVAILABLE
        if self.drain.begun:
            status = DRAINING
        await _tell(scope, send, 200 if status == OK else 503, {"status": status, "checks": parts})

    async def _state(self, part: str) -> str:
        try:
            async with asyncio.timeout(self.seconds):
                await self.checks[part]()
        except Exception:  # noqa: BLE001 - whatever it is, the part is not well
            return UNAVAILABLE
        return OK


async def _tell(scope: Scope, send: Send, status: int, state: dict[str, object]) -> None:
    if scope["method"] not in {"GET", "HEAD"}:
        await send_refusal(
            scope,
            send,
            405,
            Code.VALIDATION_FAILED,
            "Use GET for this.",
            headers={"Allow": "GET, HEAD"},
        )
        return
    await send_body(send, status, orjson.dumps(state), JSON, NO_STORE, to=scope)
