"""Addresses as people write them in serai.toml, parsed and compared; nothing here opens anything."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal

import msgspec

from serai.errors import InvalidError

#: Scheme to (transport, TLS). The text of a scheme says no more than that: its protocol is the module's matter.
SCHEMES: dict[str, tuple[Literal["tcp", "udp", "unix"], bool]] = {
    "tcp": ("tcp", False),
    "http": ("tcp", False),
    "tls": ("tcp", True),
    "https": ("tcp", True),
    "udp": ("udp", False),
    "unix": ("unix", False),
}
NAMED_HOSTS = {"*": (str(ipaddress.IPv4Address(0)), "::"), "localhost": ("127.0.0.1", "::1")}
MAX_UNIX_PATH = 107  # octets; sun_path holds 108 with its NUL (unix(7))
_INET = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<name>[^:\[\]/]+)):(?P<port>[0-9]{1,5})\Z")


class Address(msgspec.Struct, frozen=True):
    """Where to listen: one line of a ``listen`` setting.

    ``hosts`` are IP literals (two for ``*`` and ``localhost``: IPv4 and IPv6); ``port`` 0 lets the kernel choose.
    ``tls`` tells the module to speak TLS there. ``path`` and ``mode`` belong to Unix sockets; a ``path`` is absolute
    once `resolve` was called. ``text`` is what was written: the identity that a reload compares.
    """

    text: str
    transport: Literal["tcp", "udp", "unix"]
    hosts: tuple[str, ...] = ()
    port: int = 0
    tls: bool = False
    path: str = ""
    mode: int = 0

    def resolve(self, home: Path) -> Address:
        """Return the address with a relative Unix path put below ``home``; refuse a path too long for the kernel."""
        if self.transport != "unix":
            return self
        path = str(home / self.path)
        if len(path.encode()) > MAX_UNIX_PATH:
            raise InvalidError(f"The path of the Unix socket {path} is longer than {MAX_UNIX_PATH} octets.")
        return msgspec.structs.replace(self, path=path)

    @property
    def scheme(self) -> str:
        """Return the word before the first colon, such as "https"."""
        return self.text.partition(":")[0]


def parse(text: str) -> Address:
    """Parse ``scheme://host:port`` or ``unix:path[?mode=660]``; raise `InvalidError` with a sentence."""
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SCHEMES:
        raise InvalidError(f"{text!r} is no address: it starts with none of {', '.join(SCHEMES)}.")
    transport, tls = SCHEMES[scheme]
    if transport == "unix":
        return _unix(text, rest)
    match = _INET.match(rest.removeprefix("//")) if rest.startswith("//") else None
    if match is None:
        raise InvalidError(f"{text!r} is no address: {scheme}://HOST:PORT is expected, IPv6 hosts in brackets.")
    port = int(match["port"])
    if port > 65535:
        raise InvalidError(f"{text!r} is no address: the port is greater than 65535.")
    return Address(text, transport, _hosts(text, match["v6"], match["name"]), port, tls)


def _hosts(text: str, v6: str | None, name: str | None) -> tuple[str, ...]:
    if name in NAMED_HOSTS:
        return NAMED_HOSTS[name]
    try:
        return (str(ipaddress.IPv6Address(v6) if v6 else ipaddress.IPv4Address(name or "")),)
    except ValueError:
        raise InvalidError(f"{text!r} is no address: its host is no IP address, and neither * nor localhost.") from None


def _unix(text: str, rest: str) -> Address:
    path, question, query = rest.partition("?")
    path = path.removeprefix("//")
    mode = re.fullmatch(r"mode=([0-7]{3})", query)
    if not path or "\0" in path or ".." in Path(path).parts or (question and mode is None):
        raise InvalidError(f"{text!r} is no address: unix:PATH or unix:PATH?mode=660 is expected, without ..")
    return Address(text, "unix", path=path, mode=int(mode[1], 8) if mode else 0)
