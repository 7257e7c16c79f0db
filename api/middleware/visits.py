"""Gives each request its id, and the log one line for it."""

import re
import time
from dataclasses import dataclass, field

from loguru import logger
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from api.visit import Visit, begin_visit
from usecases.tracing import request_id

HEADER = "X-Request-Id"
_SANE = re.compile(r"[A-Za-z0-9_-]{8,64}")

OK = 200

CLIENT_GONE = 499
"""What the log says where nobody waited for the answer (a custom of nginx)."""


@dataclass(slots=True)
class _Outcome:
    """What the log line says at the end: an HTTP status, or a WebSocket's close code."""

    status: int = CLIENT_GONE
    began: float = field(default_factory=time.perf_counter)

    @property
    def milliseconds(self) -> float:
        return round((time.perf_counter() - self.began) * 1000, 1)


class Visits:
    """Takes a caller's request id where it is sane, else makes one; answers with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and tell of it."""
        given = Headers(scope=scope).get(HEADER, "")
        visit = begin_visit(scope, given if _SANE.fullmatch(given) else str(uuid7()), send)
        outcome = _Outcome()

        async def watched(message: Message) -> None:
            kind = message["type"]
            if kind.endswith(".start") or kind == "websocket.accept":
                MutableHeaders(scope=message).setdefault(HEADER, visit.request_id)
                outcome.status = message.get("status", 1006)
            elif kind == "websocket.close":
                outcome.status = message.get("code", 1000)
            await send(message)

        bound = request_id.set(visit.request_id)
        try:
            await self._app(scope, receive, watched)
        finally:
            _tell(scope, visit, outcome)
            request_id.reset(bound)


def _tell(scope: Scope, visit: Visit, outcome: _Outcome) -> None:
    """Write the line. Neither the query string nor the caller's address is in it.

    Nor is a path that we do not serve: it is a stranger's text, and may be a secret gone astray.
    Probes that find all well come every few seconds: their lines are for debugging.
    """
    facts = dict(visit.facts)
    if visit.account_id is not None:
        facts["user_id"] = str(visit.account_id)
    routine = scope["path"].startswith("/health/") and outcome.status == OK
    logger.bind(
        method=scope.get("method", "WEBSOCKET"),
        path=scope["path"] if "endpoint" in scope else "-",
        status=outcome.status,
        ms=outcome.milliseconds,
        **facts,
    ).log("DEBUG" if routine else "INFO", "Request served")
