"""Which web pages may talk to this API from a browser."""

from collections.abc import Iterable

from starlette.datastructures import Headers

from bootstrap.origins import origin_of

FOREIGN = "This origin is not one of ALLOWED_ORIGINS."


class Origins:
    """The allow list: what is configured, and the service's own address."""

    def __init__(self, allowed: Iterable[str], public_url: str) -> None:
        self._allowed = frozenset({*map(origin_of, allowed), origin_of(public_url)})

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may read answers."""
        return origin in self._allowed

    def allows_socket(self, headers: Headers) -> bool:
        """Whether a handshake may go on: browsers always tell their origin, other clients none.

        A page that we served ourselves comes from the host that it now calls.
        """
        origin = headers.get("origin")
        if origin is None or self.allows(origin):
            return True
        return origin.partition("://")[2] == headers.get("host", "") != ""
