"""Who asks: the access token of a request or a socket, and what it is worth."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from domain.refusals import Refusal, Unauthenticated
from domain.sessions import AccessClaims
from schema.cookies import Cookies

Authenticate = Callable[[str], Awaitable[AccessClaims]]
"""Checks an access token. Raises TokenExpired or Unauthenticated."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The claims of a good token, or why a token is not good, or neither for an anonymous one."""

    claims: AccessClaims | None = None
    rejection: Refusal | None = None


ANONYMOUS = Identity()


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom an operation runs; the address is as good as our proxies vouch for it.

    Without `cookies` of its own it has none, and can set none. `resume_from` is where its
    connection says that it stopped: the position of the last event that it was told.
    """

    address: str
    user_agent: str
    request_id: str
    identity: Identity = ANONYMOUS
    cookies: Cookies = field(default_factory=Cookies)
    resume_from: str | None = None


NewContext = Callable[[Caller], object]
"""Makes what resolvers see as `info.context`."""


def bearer(authorization: str) -> str | None:
    """Return the token of an `Authorization` value, or None where it holds none."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def identify(authenticate: Authenticate, authorization: str | None) -> Identity:
    """Check the `Authorization` of a request; a bad one is told, not raised."""
    if authorization is None:
        return ANONYMOUS
    token = bearer(authorization)
    if token is None:
        return Identity(rejection=Unauthenticated())
    try:
        return Identity(claims=await authenticate(token))
    except Refusal as refusal:
        return Identity(rejection=refusal)


def user_agent(headers: Mapping[str, str]) -> str:
    """Return the device as it calls itself, cut to what a session keeps of it."""
    return headers.get("user-agent", "")[:256]
