"""At which port a person reaches what the platform calls by a name alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def edges(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return where the edge listens, as ``https://HOST:PORT`` and ``http://HOST:PORT``, from the rows of a plan."""
    found = []
    for row in rows:
        for address in row["sockets"] if row["module"].startswith("edge.") else ():
            scheme, _, rest = address.partition("://")
            if rest and scheme != "udp":
                found.append(f"{'https' if address in row.get('tls', ()) else 'http'}://{rest}")
    return found


def with_port(url: str, addresses: Sequence[str]) -> str:
    """Return a URL with the port of the best of these addresses: 443, else the first that speaks TLS, else any."""
    ports: dict[str, list[str]] = {"https": [], "http": []}
    for address in addresses:
        scheme, _, rest = address.partition("://")
        if scheme in ports:
            ports[scheme].append(rest.rpartition(":")[2])
    for scheme, usual in (("https", "443"), ("http", "80")):
        if ports[scheme]:
            host, slash, path = url.removeprefix("https://").partition("/")
            shown = "" if usual in ports[scheme] else f":{ports[scheme][0]}"
            return f"{scheme}://{host}{shown}{slash}{path}"
    return url
