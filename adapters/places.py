"""Where an address is, as far as that can be said honestly."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Protocol

import maxminddb

UNKNOWN = "unknown place"
IPV6_PREFIX = 64
"""Bits of an IPv6 address that are shown: the network of one household."""


class Countries(Protocol):
    """Tells countries."""

    def country(self, address: IPv4Address | IPv6Address) -> str | None:
        """Return the English name of the country where the address is used."""
        ...


class GeoIpCountries:
    """Implements `Countries` by a database in MaxMind's format that the operator provides."""

    def __init__(self, file: Path) -> None:
        """Open the file. Raises OSError or maxminddb.InvalidDatabaseError."""
        self._reader = maxminddb.open_database(file)

    def country(self, address: IPv4Address | IPv6Address) -> str | None:
        """Return the English name of the country where the address is used."""
        try:
            record = self._reader.get(address)
        except ValueError:  # an IPv6 address in a database of IPv4
            return None
        match record:
            case {"country": {"names": {"en": str(name)}}}:
                return name
        return None

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class AddressPlaces:
    """Implements `Places`: without countries it says no more than the address itself does."""

    def __init__(self, countries: Countries | None = None) -> None:
        self._countries = countries

    def near(self, address: str) -> str:
        """Return a country, a kind of network, or the address without its last part."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return UNKNOWN
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        if parsed.is_loopback:
            return "this computer"
        if parsed.is_link_local or _is_private(parsed):
            return "private network"
        country = self._countries.country(parsed) if self._countries else None
        return country or _shortened(parsed)


PRIVATE = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
"""RFC 1918, RFC 6598 and RFC 4193. Python's `is_private` holds examples (RFC 5737) for private."""


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in PRIVATE if network.version == address.version)


def _shortened(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return f"{str(address).rpartition('.')[0]}.x"
    network = ip_network((address, IPV6_PREFIX), strict=False)
    return f"{network.network_address}/{IPV6_PREFIX}"
