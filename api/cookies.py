"""The refresh cookie in HTTP: when it is believed, and how it is set.

It is used, or set at log-in, only for requests that a page of ours has sent, by its own doing:

1. `Origin` names an allowed origin or the host itself. Browsers send it with every POST, and no
   page can choose it; a request without it comes from no browser, which needs no cookie.
2. `Sec-Fetch-Site`, where a browser sends it, is `same-origin` or `same-site`.
3. The body is `application/json` (the endpoint takes no other, and no mutation by GET): a page of
   another site must ask first (CORS preflight), and is told no.
4. The browser sends the cookie along: with `SameSite=Strict` it does not for other sites' pages.

Each alone would do; a gap in one is closed by the others (OWASP ASVS 5.0, 3.3 and 3.5). Browsers
hold http://localhost for secure, so that development needs no certificate; Safari does not, and
there clients take the payload.
"""

from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from api.origins import Origins
from domain.devices import DevicePolicy
from schema.cookies import DEVICE_NAME, NAME, Cookies

LONGEST = 512
"""Characters; a refresh token has 43."""

ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"

DEVICE_SECONDS = int(DevicePolicy().idle.total_seconds())
"""Each log-in sets the cookie anew, so it lasts as long as the device is known."""

OWN_SITES = frozenset({"same-origin", "same-site"})
EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"


def read_cookies(headers: Headers, origins: Origins) -> Cookies:
    """Return what a request over HTTP may do with the refresh cookie."""
    brought = cookie_parser("; ".join(headers.getlist("cookie")))
    return Cookies(
        held=_sized(brought.get(NAME)),
        device=_sized(brought.get(DEVICE_NAME)),
        settable=True,
        trusted="origin" in headers
        and origins.allows_socket(headers)
        and headers.get("sec-fetch-site", "same-origin") in OWN_SITES,
    )


def cookies_to_set(cookies: Cookies) -> Iterator[str]:
    """Yield the values of `Set-Cookie` that the operation has decided on, if on any."""
    if (refresh := cookies.answer) is not None:
        yield _cookie(NAME, refresh.token, refresh.expires_at)
    if (token := cookies.device_answer) is not None:
        yield f"{DEVICE_NAME}={token}; Max-Age={DEVICE_SECONDS}; {ATTRIBUTES}"


def _sized(value: str | None) -> str | None:
    return value if value and len(value) <= LONGEST else None


def _cookie(name: str, value: str, expires_at: datetime | None) -> str:
    """Write a cookie that ends at that moment; one without an end is forgotten at once."""
    end = format_datetime(expires_at, usegmt=True) if expires_at else EPOCH
    return f"{name}={value}; Expires={end}; {ATTRIBUTES}"
