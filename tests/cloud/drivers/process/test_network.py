import ipaddress
import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.cloud.drivers.process import network
from serai.cloud.drivers.process.options import PRIVATE
from serai.cloud.drivers.process.probes import local_addresses


@settings(deadline=None)
@given(st.text(), st.integers(0, network.PAIRS - 1))
def test_every_home_has_names_and_addresses_that_fit(name, index):
    home = network.plan(name)
    pair = home.pair(index)
    assert home == network.plan(name)
    assert len(pair.interface) <= 15
    block = ipaddress.IPv4Network(home.block)
    assert block.subnet_of(network.SHARED)
    assert ipaddress.IPv4Address(pair.gateway) in block
    assert int(ipaddress.IPv4Address(pair.address)) == int(ipaddress.IPv4Address(pair.gateway)) + 1
    assert int(ipaddress.IPv4Address(pair.gateway)) % 2 == 0


def test_homes_differ():
    one, other = network.plan("/var/lib/serai"), network.plan("/srv/serai")
    assert one.table != other.table
    assert one.prefix != other.prefix


def test_rules_name_their_home_only():
    text = network.rules(network.plan("home"), ("10.0.0.0/8",), (), ("192.0.2.53",))
    assert text.startswith("table inet serai_")
    assert "set denied { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }" in text
    assert "set allowed { type ipv4_addr; flags interval; }" in text
    assert "set resolvers { type ipv4_addr; flags interval; elements = { 192.0.2.53/32 }; }" in text


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="nft needs root")
@pytest.mark.parametrize(
    "text",
    [
        network.rules(network.plan("home"), PRIVATE, ("10.1.0.0/16",), ("10.255.255.53", "192.0.2.53")),
        network.rules(network.plan("home"), (), (), ()),
        network.slirp_rules(PRIVATE, ()),
    ],
)
def test_nft_takes_the_rules(text):
    checked = subprocess.run(["nft", "-c", "-f", "-"], input=text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_addresses_of_this_host_are_found(tmp_path):
    table = tmp_path / "fib_trie"
    table.write_text("Main:\n  |-- 192.0.2.2\n     /32 host LOCAL\n  |-- 192.0.2.255\n     /32 link BROADCAST\n")
    assert local_addresses(table) == ("192.0.2.2",)
    assert "127.0.0.1" in local_addresses()
