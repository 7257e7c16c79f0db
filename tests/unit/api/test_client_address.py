"""The client's address behind proxies that can be trusted, and those that cannot."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.middleware.client_address import client_address, network_of

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]

strangers = st.ip_addresses(v=4).filter(lambda address: address not in PROXIES[0]).map(str)
proxies = st.integers(0, 2**24 - 1).map(lambda host: str(IPv4Address("10.0.0.0") + host))
rubbish = st.text(st.characters(codec="latin-1", exclude_characters="\r\n,"), max_size=40)


@given(strangers, st.lists(strangers | proxies | rubbish))
def test_a_stranger_is_believed_nothing(peer: str, said: list[str]) -> None:
    assert client_address(peer, [", ".join(said)], PROXIES) == peer


@given(st.lists(strangers | rubbish), strangers, st.lists(proxies, max_size=4), proxies)
def test_what_a_client_writes_in_front_changes_nothing(
    forged: list[str], client: str, hops: list[str], peer: str
) -> None:
    line = ", ".join([*forged, client, *hops])

    assert client_address(peer, [line], PROXIES) == client


@given(st.lists(proxies, min_size=1), proxies)
def test_where_all_are_ours_it_is_the_first_of_them(hops: list[str], peer: str) -> None:
    assert client_address(peer, [",".join(hops)], PROXIES) == hops[0]


@given(rubbish, proxies)
def test_behind_rubbish_nobody_is_believed(said: str, peer: str) -> None:
    address = client_address(peer, [f"203.0.113.9, x{said}x"], PROXIES)

    assert address == peer


@given(st.ip_addresses(v=6), st.ip_addresses(v=6))
def test_a_64_of_ipv6_counts_as_one(first: IPv6Address, second: IPv6Address) -> None:
    neighbour = IPv6Address(int(first) >> 64 << 64 | int(second) % 2**64)
    if first.ipv4_mapped or neighbour.ipv4_mapped:
        return

    assert network_of(str(first)) == network_of(str(neighbour))
    assert network_of(str(first)).endswith("/64")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_networks(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
    ],
)
def test_forms_that_proxies_write(lines: list[str], client: str) -> None:
    assert client_address("10.0.0.1", lines, PROXIES) == client
