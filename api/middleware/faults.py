"""Turns what nobody caught into an answer that tells nothing."""

from loguru import logger
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import send_refusal
from api.codes import Code

CODES = {404: Code.NOT_FOUND, 403: Code.FORBIDDEN, 401: Code.UNAUTHENTICATED}


class _ClientGone(OSError):  # noqa: N818 - an event
    """The client hung up before it had its answer (ASGI: `send` raises an OSError then)."""


class Faults:
    """Logs and masks unexpected errors; tells Starlette's own refusals as JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            try:
                await send(message)
            except OSError as fault:
                raise _ClientGone from fault

        try:
            await self._app(scope, receive, watched)
        except HTTPException as refusal:
            code = CODES.get(refusal.status_code, Code.VALIDATION_FAILED)
            await send_refusal(
                scope, send, refusal.status_code, code, refusal.detail, headers=refusal.headers
            )
        except _ClientGone:
            logger.debug("Client gone")
        except Exception as fault:  # noqa: BLE001 - the last place where a fault can be caught
            logger.opt(exception=fault).error("Unexpected error")
            if not begun:
                await send_refusal(scope, send, 500, Code.INTERNAL, "Internal error")
