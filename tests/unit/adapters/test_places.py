"""Places say no more than is known, and never a whole address."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.places import AddressPlaces, GeoIpCountries


class Atlas:
    """Countries of a few addresses."""

    def country(self, address: IPv4Address | IPv6Address) -> str | None:
        return {"203.0.113.7": "Portugal"}.get(str(address))


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.7", "203.0.113.x"),
        ("::ffff:203.0.113.7", "203.0.113.x"),
        ("2001:db8:1:0:5::9", "2001:db8:1::/64"),
        ("10.1.2.3", "private network"),
        ("172.31.0.1", "private network"),
        ("fd00::1", "private network"),
        ("fe80::1", "private network"),
        ("127.0.0.1", "this computer"),
        ("::1", "this computer"),
        ("unknown", "unknown place"),
    ],
)
def test_without_a_database_a_place_is_the_network(address: str, place: str) -> None:
    assert AddressPlaces().near(address) == place


def test_with_a_database_a_place_is_the_country_where_it_is_known() -> None:
    places = AddressPlaces(Atlas())

    assert places.near("203.0.113.7") == "Portugal"
    assert places.near("203.0.113.8") == "203.0.113.x"
    assert places.near("10.1.2.3") == "private network"


@given(st.ip_addresses())
def test_no_place_holds_the_address(address: IPv4Address | IPv6Address) -> None:
    place = AddressPlaces().near(str(address))
    with pytest.raises(ValueError, match="does not appear to be"):
        ip_address(place)


# --- a database in MaxMind's format ---------------------------------------------------------------


def text(value: str) -> bytes:
    return bytes([0x40 | len(value)]) + value.encode()


def number(kind: int, value: int) -> bytes:
    """Write an unsigned integer: kind 5 has 16 bits, 6 has 32, 9 (an extended type) has 64."""
    body = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return (bytes([kind << 5 | len(body)]) if kind < 8 else bytes([len(body), kind - 7])) + body


def mapping(**pairs: bytes) -> bytes:
    parts = b"".join(text(name) + value for name, value in pairs.items())
    return bytes([0xE0 | len(pairs)]) + parts


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a file with one node: the lower half of IPv4 is in Portugal, the rest is unknown."""
    nodes = 1
    data = mapping(country=mapping(names=mapping(en=text("Portugal"))))
    tree = (nodes + 16).to_bytes(3, "big") + nodes.to_bytes(3, "big")
    about = mapping(
        node_count=number(6, nodes),
        record_size=number(5, 24),
        ip_version=number(5, 4),
        database_type=text("Test"),
        languages=bytes([0x01, 0x04]) + text("en"),
        binary_format_major_version=number(5, 2),
        binary_format_minor_version=number(5, 0),
        build_epoch=number(9, 1_700_000_000),
        description=mapping(en=text("Test")),
    )
    file = tmp_path / "countries.mmdb"
    file.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + about)
    return file


def test_countries_are_read_from_the_operators_file(database: Path) -> None:
    countries = GeoIpCountries(database)
    places = AddressPlaces(countries)

    assert places.near("81.2.69.142") == "Portugal"
    assert places.near("203.0.113.7") == "203.0.113.x"
    assert places.near("2001:db8:1::5") == "2001:db8:1::/64"
    countries.close()
