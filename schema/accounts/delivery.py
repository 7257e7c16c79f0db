"""How a client is handed its tokens: all in the payload, or the refresh token in a cookie."""

from enum import Enum

import strawberry

from domain.refusals import (
    ForeignOrigin,
    InputIssue,
    InvalidInput,
    Path,
    RefreshRejected,
    RefreshReused,
)
from domain.sessions import AccessClaims, TokenPair
from schema.accounts.types import TokenPairType
from schema.context import Context
from schema.cookies import Cookies


@strawberry.enum(name="TokenDelivery", description="How a client is handed its refresh tokens.")
class TokenDelivery(Enum):
    """The two ways."""

    PAYLOAD = strawberry.enum_value(
        "payload",
        description="In the payload: for native clients, which have a safe place of their own.",
    )
    COOKIE = strawberry.enum_value(
        "cookie",
        description="In a cookie that no script can read, `__Host-storyloom-refresh`: for "
        "browsers. Only over HTTP, and only for pages of the allowed origins, which send their "
        "`Origin` with it. `refreshToken` is null then, and `refreshTokens` takes none.",
    )


def check_delivery(delivery: TokenDelivery, cookies: Cookies) -> None:
    """Raise InvalidInput or ForeignOrigin where a cookie is wanted and cannot be set."""
    if delivery is not TokenDelivery.COOKIE:
        return
    if not cookies.settable:
        raise _cookieless(("input", "tokenDelivery"))
    if not cookies.trusted:
        raise ForeignOrigin(path=("input", "tokenDelivery"))


def hand_over(tokens: TokenPair, delivery: TokenDelivery, cookies: Cookies) -> TokenPairType:
    """Return what the payload shows of the tokens; a refresh token in a cookie is not shown."""
    if delivery is TokenDelivery.PAYLOAD:
        return TokenPairType.tell(tokens)
    cookies.keep(tokens.refresh_token, tokens.refresh_expires_at)
    return TokenPairType.tell(tokens, with_refresh_token=False)


def hand_over_device(token: str, delivery: TokenDelivery, cookies: Cookies) -> str | None:
    """Return what the payload shows of the token that the device is known by from now on."""
    if delivery is TokenDelivery.PAYLOAD:
        return token
    cookies.keep_device(token)
    return None


async def refreshed(context: Context, refresh_token: str | None) -> TokenPairType:
    """Carry a session on: the successor is handed over in the way in which its token came.

    A cookie whose session is over is cleared. Raises InvalidInput, ForeignOrigin or what
    `refresh_tokens` raises.
    """
    cookies, refresh = context.cookies, context.use_cases.refresh_tokens
    device = context.client.device
    if refresh_token is not None:
        return TokenPairType.tell(await refresh(refresh_token, device))
    if not cookies.settable:
        raise _cookieless(("input", "refreshToken"))
    held = cookies.present()
    if held is None:
        raise RefreshRejected
    try:
        tokens = await refresh(held, device)
    except (RefreshRejected, RefreshReused):
        cookies.clear()
        raise
    return hand_over(tokens, TokenDelivery.COOKIE, cookies)


def leaving(context: Context, refresh_token: str | None) -> tuple[AccessClaims | None, str | None]:
    """Return what names the session to end: its access token's claims, or a refresh token.

    Raises Unauthenticated, TokenExpired or ForeignOrigin where nothing good does.
    """
    if refresh_token is not None or context.claims is not None:
        return context.claims, refresh_token
    if (held := context.cookies.present()) is not None:
        return None, held
    return context.viewer, None


def _cookieless(path: Path) -> InvalidInput:
    message = "Cookies are for HTTP: over a WebSocket the refresh token is part of the payload."
    return InvalidInput([InputIssue(path, "no_cookies_here", message)])
