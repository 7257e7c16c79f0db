"""Lets each client address ask for so much and no more; what an operation needs is taken later."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.admission import Admission, too_many
from api.answers import send_refusal
from api.codes import Code
from api.visit import visit_of

FREE = ("/health/", "/graphiql/")
"""Probes must not be turned away, and one page is many files."""


class RateLimit:
    """Takes a token for each request and WebSocket; without one it answers 429."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["path"].startswith(FREE):
            await self._app(scope, receive, send)
            return
        visit = visit_of(scope)
        visit.admitted = await self._admission.knock(visit.network)

        async def telling(message: Message) -> None:
            if message["type"].endswith("http.response.start") and visit.admitted is not None:
                MutableHeaders(scope=message).update(visit.admitted.tightest.headers())
            await send(message)

        if visit.admitted is not None and visit.admitted.retry_after is not None:
            await send_refusal(
                scope,
                telling,
                429,
                Code.RATE_LIMITED,
                too_many(visit.admitted.retry_after),
                retry_after=visit.admitted.retry_after,
            )
            return
        await self._app(scope, receive, telling)
