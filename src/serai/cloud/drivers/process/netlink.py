"""Make and remove links by asking the kernel itself, rtnetlink(7): running ip(8) three times takes as long as a start.

The messages are values, made by pure functions; `ask` sends one and waits for its answer.
"""

from __future__ import annotations

import os
import socket
import struct

NEW_LINK, DELETE_LINK, NEW_ADDRESS = 16, 17, 20  # RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR
ERROR = 2  # NLMSG_ERROR: also the answer to what went well
REQUEST, ACKNOWLEDGE, EXCLUSIVE, CREATE = 0x1, 0x4, 0x200, 0x400  # NLM_F_*
INTERFACE_UP = 0x1  # IFF_UP
NAME, LINK_INFO, NAMESPACE_PID = 3, 18, 19  # IFLA_IFNAME, IFLA_LINKINFO, IFLA_NET_NS_PID
KIND, DATA, PEER = 1, 2, 1  # IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER
ADDRESS, LOCAL = 1, 2  # IFA_ADDRESS, IFA_LOCAL
LONGEST = 8192  # octets of an answer


def link(name: str, peer: str, pid: int = 0) -> bytes:
    """Return the message that makes a veth pair: ``name`` here, ``peer`` here too or in the namespace of ``pid``.

    In the latter case ``name`` is up.
    """
    there = _interface() + _attribute(NAME, peer.encode() + b"\0")
    if pid:
        there += _attribute(NAMESPACE_PID, struct.pack("=I", pid))
    kind = _attribute(KIND, b"veth\0") + _attribute(DATA, _attribute(PEER, there))
    body = (
        _interface(INTERFACE_UP if pid else 0) + _attribute(NAME, name.encode() + b"\0") + _attribute(LINK_INFO, kind)
    )
    return _message(NEW_LINK, CREATE | EXCLUSIVE, body)


def address(index: int, local: str, prefix: int) -> bytes:
    """Return the message that gives the interface number ``index`` an IPv4 address."""
    octets = socket.inet_aton(local)
    body = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, 0, index)
    return _message(NEW_ADDRESS, CREATE | EXCLUSIVE, body + _attribute(LOCAL, octets) + _attribute(ADDRESS, octets))


def unlink(name: str) -> bytes:
    """Return the message that removes an interface, and its peer with it."""
    return _message(DELETE_LINK, 0, _interface() + _attribute(NAME, name.encode() + b"\0"))


def ask(message: bytes) -> None:
    """Send a message; raise OSError where the kernel refuses. Blocks, for other changes of networks come first."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as channel:
        channel.bind((0, 0))
        channel.sendall(message)
        number = answer(channel.recv(LONGEST))
    if number:
        raise OSError(number, os.strerror(number))


def answer(message: bytes) -> int:
    """Return the errno in the kernel's answer, 0 where all went well."""
    _, kind, _, _, _ = struct.unpack_from("=IHHII", message)
    if kind != ERROR:
        raise ValueError(f"an acknowledgement was expected, not a message of type {kind}")
    number: int = -struct.unpack_from("=i", message, 16)[0]
    return number


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, REQUEST | ACKNOWLEDGE | flags, 1, 0) + body


def _interface(flags: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, flags, flags)


def _attribute(kind: int, data: bytes) -> bytes:
    """Return an attribute, padded to four octets as each must be."""
    return (struct.pack("=HH", 4 + len(data), kind) + data).ljust((7 + len(data)) & ~3, b"\0")
