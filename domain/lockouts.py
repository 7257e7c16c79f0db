"""Lockouts: how often somebody may guess at an account's password or codes.

A guess counts for the place it comes from, so that a stranger locks out themselves and never the
owner (OWASP ASVS 5.0, 6.1.1).
"""

from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from uuid import UUID

from pydantic import Field

from domain.entity import Value

SUBSCRIBER = {4: 24, 6: 64}
"""Bits of an address, by its version, that name a network: within it one person may move about."""


class LockoutPolicy(Value):
    """How many guesses are checked.

    From one place `failures` in each `window`. From all unknown devices together, wherever they
    are, `strangers` in each window, and after these one in each `pace`: it slows those who guess
    from many networks, and keeps a new device of the owner waiting for no longer than that.
    """

    failures: int = Field(default=5, ge=1)
    window: timedelta = timedelta(minutes=15)
    strangers: int = Field(default=50, ge=1)
    pace: timedelta = timedelta(seconds=10)


class Guess(Value):
    """A password or a code that somebody offers.

    `email` is the account's address, or the one that was offered, in its comparable form: an
    address without an account locks like any other. `device` is the account's own device or session
    that the guess surely comes from; None for a device that nobody knows.
    """

    email: str = Field(repr=False)
    client_address: str
    device: UUID | None = None

    @property
    def network(self) -> str:
        """The network it comes from."""
        return network_of(self.client_address)


def network_of(client_address: str) -> str:
    """Return the network of an address: a /24 of IPv4, a /64 of IPv6 (as in "203.0.113.0/24").

    What is no address is its own network.
    """
    try:
        address: IPv4Address | IPv6Address = ip_address(client_address)
    except ValueError:
        return client_address
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ip_network((address, SUBSCRIBER[address.version]), strict=False))
