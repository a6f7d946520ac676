import os
import socket
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.cloud.drivers.process import netlink

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes links")


@pytest.mark.parametrize(
    "message", [netlink.link("one", "two", 42), netlink.unlink("one"), netlink.address(7, "100.64.0.14", 31)]
)
def test_a_message_says_how_long_it_is_and_asks_for_an_answer(message):
    length, _, flags, _, _ = struct.unpack_from("=IHHII", message)
    assert length == len(message)
    assert length % 4 == 0
    assert flags & (netlink.REQUEST | netlink.ACKNOWLEDGE) == netlink.REQUEST | netlink.ACKNOWLEDGE


@given(st.integers(0, 4095))
def test_an_answer_holds_an_error_number(number):
    assert netlink.answer(struct.pack("=IHHIIi", 36, netlink.ERROR, 0, 1, 0, -number)) == number


def test_another_answer_is_no_success():
    with pytest.raises(ValueError, match="acknowledgement"):
        netlink.answer(struct.pack("=IHHIIi", 20, 3, 0, 1, 0, 0))


@root
@pytest.mark.root
def test_links_are_made_and_removed_as_ip_does_it():
    name = f"srtest{os.getpid() % 100000}"
    netlink.ask(netlink.link(name, f"{name}p"))
    try:
        with pytest.raises(FileExistsError):
            netlink.ask(netlink.link(name, f"{name}p"))
        netlink.ask(netlink.address(socket.if_nametoindex(name), "100.127.255.254", 31))
        shown = subprocess.run(["ip", "-oneline", "address", "show", name], capture_output=True, text=True, check=True)
        assert "inet 100.127.255.254/31 " in shown.stdout
    finally:
        netlink.ask(netlink.unlink(name))
    with pytest.raises(OSError, match="No such device"):
        netlink.ask(netlink.unlink(name))
