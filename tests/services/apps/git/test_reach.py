"""Which addresses are public, however they are written; and what an operator allows."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serai.services.apps.git.reach import Reach

NOT_PUBLIC = {
    "0.0.0.0": "this host",
    "127.0.0.1": "this host",
    "127.255.255.254": "this host",
    "10.0.0.1": "a private network",
    "172.16.0.1": "a private network",
    "172.31.255.255": "a private network",
    "192.168.1.1": "a private network",
    "100.64.0.1": "a provider's own network",
    "100.100.100.200": "a provider's own network",
    "169.254.169.254": "a link's own network",
    "168.63.129.16": "a cloud's own service",
    "192.0.0.192": "a reserved address",
    "192.0.2.1": "an address for documentation",
    "198.18.0.1": "a network for measurements",
    "224.0.0.1": "a multicast address",
    "255.255.255.255": "a reserved address",
    "::": "this host",
    "::1": "this host",
    "::7f00:1": "a reserved address",
    "::ffff:127.0.0.1": "this host",
    "::ffff:a9fe:a9fe": "a link's own network",
    "64:ff9b::10.0.0.1": "a private network",
    "64:ff9b:1::1": "a reserved address",
    "2002:7f00:1::": "a tunnel to anywhere",
    "2001::1": "a reserved address",
    "2001:db8::1": "an address for documentation",
    "fc00::1": "a private network",
    "fd00:ec2::254": "a private network",
    "fe80::1": "a link's own network",
    "fe80::1%lo": "a link's own network",
    "fec0::1": "a private network",
    "ff02::1": "a multicast address",
    "100::1": "a reserved address",
    "4000::1": "a reserved address",
    "localhost": "no address",
    "": "no address",
}
PUBLIC = ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.1.0.1", "2606:4700::1111", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"]


@pytest.mark.parametrize(("address", "what"), NOT_PUBLIC.items())
def test_what_is_not_public_is_refused_by_its_name(address: str, what: str) -> None:
    assert Reach().refusal(address) == what


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_may_be_connected_to(address: str) -> None:
    assert Reach().refusal(address) == ""


def test_an_operator_allows_networks_and_nothing_beside_them() -> None:
    reach = Reach(["10.1.0.0/16", "fd12::/16"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd12::1"):
        assert (reach.refusal(address), reach.allows(address)) == ("", True)
    for address in ("10.2.0.1", "fd13::1", "127.0.0.1"):
        assert reach.refusal(address)
        assert not reach.allows(address)


@given(st.ip_addresses())
@example(ipaddress.IPv6Address("::ffff:127.0.0.1"))
@example(ipaddress.IPv6Address("64:ff9b::7f00:1"))
def test_no_address_that_python_calls_private_is_taken_for_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    refused = bool(Reach().refusal(str(address)))
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        assert refused
    if address.version == 4 and address.is_private:
        assert refused
    assert Reach([f"{address}/{address.max_prefixlen}"]).refusal(str(address)) == ""
    if address.version == 4:
        assert bool(Reach().refusal(f"::ffff:{address}")) == refused
