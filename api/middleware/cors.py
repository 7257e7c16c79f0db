"""Lets pages of the allowed origins read answers, and no others (the Fetch standard's CORS)."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import send_refusal
from api.codes import Code
from api.origins import FOREIGN, Origins

METHODS = "GET, POST"
REQUEST_HEADERS = (
    "Authorization, Content-Type, GraphQL-Require-Preflight, Apollo-Require-Preflight, "
    "X-Apollo-Operation-Name, X-Request-Id, Last-Event-ID"
)
ANSWER_HEADERS = "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy"
PREFLIGHT_SECONDS = "600"


class Cors:
    """Answers preflights, and names the origin in the answers to the others."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["type"] != "http" or origin is None:
            await self._app(scope, receive, send)
            return
        allowed = self._origins.allows(origin)

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.add_vary_header("Origin")
                if allowed:
                    answer["Access-Control-Allow-Origin"] = origin
                    answer["Access-Control-Allow-Credentials"] = "true"
                    answer["Access-Control-Expose-Headers"] = ANSWER_HEADERS
            await send(message)

        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(scope, telling, allowed=allowed)
            return
        await self._app(scope, receive, telling)


async def _preflight(scope: Scope, send: Send, *, allowed: bool) -> None:
    if not allowed:
        await send_refusal(scope, send, 403, Code.FORBIDDEN, FOREIGN)
        return
    answer = MutableHeaders(
        headers={
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": REQUEST_HEADERS,
            "Access-Control-Max-Age": PREFLIGHT_SECONDS,
        }
    )
    await send({"type": "http.response.start", "status": 204, "headers": answer.raw})
    await send({"type": "http.response.body", "body": b""})
