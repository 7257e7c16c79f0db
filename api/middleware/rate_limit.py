"""Lets each client address ask for so much and no more."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.admission import Admission
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
        allowance = await self._admission.ask(visit.network)
        visit.limited = allowance is not None
        if allowance is None:
            await self._app(scope, receive, send)
            return
        told = self._admission.headers(allowance)
        if allowance.retry_after is not None:
            await send_refusal(
                scope,
                send,
                429,
                Code.RATE_LIMITED,
                f"Too many requests: try again in {allowance.retry_after} seconds.",
                retry_after=allowance.retry_after,
                headers=told,
            )
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        await self._app(scope, receive, telling)
