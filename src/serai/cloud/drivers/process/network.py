"""A way out of a workload's network namespace: addresses, and rules that keep it from everything that is private.

All here are values: names, addresses, an argument vector, the text for ``nft -f``. Every home has a table and a block
of addresses of its own; a workload is on one end of a veth pair with two addresses (RFC 3021) of 100.64.0.0/10
(RFC 6598), which no other network on the host should use. Rules match the names of interfaces by prefix, so that a
start changes no rule.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable

import msgspec

SHARED = ipaddress.IPv4Network("100.64.0.0/10")
BLOCK = 20  # prefix length of a home's block
PAIRS = 1 << (31 - BLOCK)
SLIRP_DNS, SLIRP_NETWORK = "10.0.2.3", "10.0.2.0/24"


class Pair(msgspec.Struct, frozen=True):
    """Both ends of a workload's link: the host's interface and address, and the workload's address."""

    interface: str
    gateway: str
    address: str


class Plan(msgspec.Struct, frozen=True):
    """The network of a home: its table, its interfaces' prefix and its block."""

    table: str
    prefix: str
    block: str

    def pair(self, index: int) -> Pair:
        """Return the link number ``index`` (0 to `PAIRS` - 1)."""
        first = ipaddress.IPv4Network(self.block)[2 * index]
        return Pair(f"{self.prefix}{index}", str(first), str(first + 1))


def plan(name: str) -> Plan:
    """Return the network of the home ``name``; the same name gives the same network."""
    digest = hashlib.sha256(name.encode()).digest()
    number = int.from_bytes(digest[:2], "big") % (1 << (BLOCK - SHARED.prefixlen))
    block = ipaddress.IPv4Network((int(SHARED.network_address) + (number << (32 - BLOCK)), BLOCK))
    # An interface's name has at most 15 characters.
    return Plan(f"serai_{digest[:4].hex()}", f"sr{digest[:4].hex()}", str(block))


def rules(home: Plan, deny: Iterable[str], allow: Iterable[str], resolvers: Iterable[str]) -> str:
    """Return the ruleset of a home: replaces what was there, in one transaction.

    Workloads reach public addresses, ``allow`` and the resolvers' port 53; answers come back; nothing else passes in
    either direction, and nothing of this host is theirs. The host's own addresses pass the input hook. What is none of
    ours, the host's own traffic above all, costs one comparison in each direction.
    """
    ours = f'"{home.prefix}*"'
    names = _elements("resolvers", resolvers)
    return f"""table inet {home.table}
delete table inet {home.table}
table inet {home.table} {{
{_elements("denied", deny)}{_elements("allowed", allow)}{names}
  chain leaving {{
    ct state established,related accept
    meta nfproto != ipv4 drop
    ip saddr != {home.block} drop
    oifname "sr*" drop
    ip daddr @allowed accept
    ip daddr @resolvers meta l4proto {{ tcp, udp }} th dport 53 accept
    ip daddr @denied drop
    accept
  }}
  chain passing {{
    type filter hook forward priority filter; policy accept;
    iifname {ours} jump leaving
    oifname {ours} ct state != {{ established, related }} drop
  }}
  chain entering {{
    type filter hook input priority filter; policy accept;
    iifname != {ours} accept
    ct state established,related accept
    ip daddr @resolvers meta l4proto {{ tcp, udp }} th dport 53 accept
    drop
  }}
  chain calling {{
    type filter hook output priority filter; policy accept;
    oifname {ours} ct state new drop
  }}
  chain translating {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {home.block} oifname != {ours} masquerade
  }}
}}
"""


def slirp_rules(deny: Iterable[str], allow: Iterable[str]) -> str:
    """Return the ruleset inside a namespace that slirp4netns connects; programs there lack the right to change it."""
    return f"""table inet serai {{
{_elements("denied", deny)}{_elements("allowed", allow)}
  chain leaving {{
    type filter hook output priority filter; policy accept;
    oifname "lo" accept
    meta nfproto != ipv4 drop
    ip daddr {SLIRP_DNS} meta l4proto {{ tcp, udp }} th dport 53 accept
    ip daddr {SLIRP_NETWORK} drop
    ip daddr @allowed accept
    ip daddr @denied drop
  }}
}}
"""


def slirp(path: str) -> tuple[str, ...]:
    """Return the command that connects a namespace; the shim adds descriptors and the target."""
    return (path, "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp")


def _elements(name: str, networks: Iterable[str]) -> str:
    parsed = ipaddress.collapse_addresses(ipaddress.IPv4Network(one, strict=False) for one in networks)
    listed = ", ".join(str(one) for one in parsed)
    content = f" elements = {{ {listed} }};" if listed else ""
    return f"  set {name} {{ type ipv4_addr; flags interval;{content} }}\n"
