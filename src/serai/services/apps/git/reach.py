"""Which addresses the platform connects to on a tenant's behalf: public ones, and what the operator allows. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

#: RFC 6890, and what its registries have got since; the first that holds an address says what it is.
_SPECIAL_4 = {
    "0.0.0.0/8": "this host",
    "127.0.0.0/8": "this host",
    "10.0.0.0/8": "a private network",
    "172.16.0.0/12": "a private network",
    "192.168.0.0/16": "a private network",
    "100.64.0.0/10": "a provider's own network",
    "169.254.0.0/16": "a link's own network",
    "168.63.129.16/32": "a cloud's own service",
    "192.0.0.0/24": "a reserved address",
    "192.0.2.0/24": "an address for documentation",
    "192.88.99.0/24": "a reserved address",
    "198.18.0.0/15": "a network for measurements",
    "198.51.100.0/24": "an address for documentation",
    "203.0.113.0/24": "an address for documentation",
    "224.0.0.0/4": "a multicast address",
    "240.0.0.0/4": "a reserved address",
}
_SPECIAL_6 = {
    "::/128": "this host",
    "::1/128": "this host",
    "fc00::/7": "a private network",
    "fe80::/10": "a link's own network",
    "fec0::/10": "a private network",
    "ff00::/8": "a multicast address",
    "2001::/23": "a reserved address",
    "2001:db8::/32": "an address for documentation",
    "2002::/16": "a tunnel to anywhere",
    "3fff::/20": "an address for documentation",
}
#: All that was ever given out for hosts on the internet (RFC 4291 section 2.4); the rest may become anything.
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
#: Behind it is an IPv4 address, reached by a translator (RFC 6052 section 2.1).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def _table(special: dict[str, str]) -> tuple[tuple[IPNetwork, str], ...]:
    return tuple((ipaddress.ip_network(text), what) for text, what in special.items())


_TABLES = {4: _table(_SPECIAL_4), 6: _table(_SPECIAL_6)}


class Reach:
    """Tell which addresses may be connected to. ``allowed`` are networks (``10.1.0.0/16``) that may be, besides."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = tuple(ipaddress.ip_network(text, strict=False) for text in allowed)

    def allows(self, text: str) -> bool:
        """Tell whether the operator has named a network with that address in it."""
        return self._named(ipaddress.ip_address(text))

    def refusal(self, text: str) -> str:
        """Return what an address is that must not be connected to ("a private network"), "" for one that may be."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return "no address"
        if self._named(address):
            return ""
        address = _plain(address)
        for network, what in _TABLES[address.version]:
            if address in network:
                return what
        return "a reserved address" if address.version == 6 and address not in _GLOBAL_6 else ""

    def _named(self, address: IPAddress) -> bool:
        """Look for it as it is written and, where it stands for an IPv4 address, as that."""
        both = (address, _plain(address))
        return any(one.version == network.version and one in network for network in self._allowed for one in both)


def _plain(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 one stands for, else itself, without a zone."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return ipaddress.IPv6Address(int(address))
