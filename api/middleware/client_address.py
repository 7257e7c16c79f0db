"""Finds the address of the client behind the reverse proxies that we know, and no others."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.visit import visit_of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class ClientAddress:
    """Writes the client's address into the visit."""

    def __init__(self, app: ASGIApp, trusted: Iterable[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        peer = (scope.get("client") or ("unknown", 0))[0]
        forwarded = Headers(scope=scope).getlist("x-forwarded-for")
        visit = visit_of(scope)
        visit.address = client_address(peer, forwarded, self._trusted)
        visit.network = network_of(visit.address)
        await self._app(scope, receive, send)


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """Walk from the peer back through `X-Forwarded-For`, for as long as we trust who says it.

    Each proxy appends the address it was called from, so the list is read from its end; the first
    address that is not one of our proxies is the client. What is further left, anybody can write.
    """
    nearest = peer
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    while hops and _is_trusted(nearest, trusted):
        address = _parse(hops.pop())
        if address is None:
            break
        nearest = str(address)
    return nearest


def network_of(address: str) -> str:
    """Return what limits count by: one subscriber has a /64 of IPv6 to choose addresses from."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parse(text: str) -> Address | None:
    """Read an address, with or without a port; IPv4 that was mapped into IPv6 is IPv4 again."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
