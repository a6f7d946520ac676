"""What an operator may choose about the process driver."""

from __future__ import annotations

import msgspec

# Networks that no workload may reach: this host's other networks, other tenants, metadata services; RFC 6890.
PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the process driver.

    ``deny``: IPv4 networks that workloads with a way out can't reach; ``allow``: exceptions from it, such as a private
    package registry. ``resolvers``: the name servers they use, () for the host's own; they are reachable on port 53.
    ``share_network_for_builds``: a build of a plain user who has no other way out uses the host's network.
    ``start_seconds``: how long a sandbox may take to stand.
    """

    deny: tuple[str, ...] = PRIVATE
    allow: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    share_network_for_builds: bool = True
    start_seconds: float = 15.0
