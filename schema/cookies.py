"""The cookie that keeps a browser logged in: out of reach of scripts, and of other sites."""

from dataclasses import dataclass
from datetime import datetime

from domain.refusals import ForeignOrigin

NAME = "__Host-storyloom-refresh"
"""`__Host-`: browsers take it only with Secure, for the path /, and for this very host."""

DEVICE_NAME = "__Host-storyloom-device"
"""It outlives log-outs: by it the browser is known when its user logs in again."""


@dataclass(frozen=True, slots=True)
class RefreshCookie:
    """What an answer sets: a refresh token until it expires, or nothing in its place."""

    token: str
    expires_at: datetime | None


@dataclass(slots=True)
class Cookies:
    """What one request may do with the refresh cookie.

    `held` is the refresh token that the request brought. `settable` is False where an answer can
    set no cookie, as on a WebSocket. `trusted` is whether the request comes from a page of an
    allowed origin: a page of another site must neither use the cookie nor plant one. `answer` is
    what the answer will set. `device` and `device_answer` are the same for the token by which the
    browser is known: it opens nothing, so from a foreign page it merely counts for nothing.
    """

    held: str | None = None
    settable: bool = False
    trusted: bool = False
    answer: RefreshCookie | None = None
    device: str | None = None
    device_answer: str | None = None

    def present(self) -> str | None:
        """Return the refresh token that the request brought. Raises ForeignOrigin."""
        if self.held is not None and not self.trusted:
            raise ForeignOrigin
        return self.held

    @property
    def known_device(self) -> str | None:
        """The token that the browser is known by, if a page of ours sent it."""
        return self.device if self.trusted else None

    def keep_device(self, token: str) -> None:
        """Have the browser keep the token that it is known by from now on."""
        self.device_answer = token

    def keep(self, token: str, expires_at: datetime) -> None:
        """Have the browser keep a refresh token in the place of any other."""
        self.answer = RefreshCookie(token, expires_at)

    def clear(self) -> None:
        """Have the browser forget the refresh token that it sent."""
        if self.settable and self.held is not None:
            self.answer = RefreshCookie("", None)
