"""At which port a person reaches what the platform calls by a name alone."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

#: What speaks at the usual ports.
_USUAL = {"443": "https", "8443": "https", "80": "http", "8080": "http"}
PATIENCE = 1.0  # seconds that a port may take to answer
#: First octets of a TLS record: an alert, a handshake (RFC 8446 section 5.1).
_TLS = (b"\x15", b"\x16")


def told(address: str, ask: Callable[[str, int], bool]) -> str:
    """Return an address as ``https://…`` or ``http://…`` where it is one of TCP; ``ask`` says whether it speaks TLS.

    A socket's address alone does not tell, and what serai.toml says may have changed since the host started.
    """
    scheme, _, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or not port.isdecimal():
        return address
    known = _USUAL.get(port)
    if known is None:
        name = "localhost" if host in {"*", "0.0.0.0", "[::]"} else host.strip("[]")  # noqa: S104 - compared, not bound
        known = "https" if ask(name, int(port)) else "http"
    return f"{known}://{rest}"


def speaks_tls(host: str, port: int) -> bool:
    """Say hello in TLS and see whether the answer is TLS, be it only a refusal."""
    import ssl  # noqa: PLC0415 - rarely needed, and slow to import

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    try:
        with socket.create_connection((host, port), timeout=PATIENCE) as sock:
            sock.sendall(outgoing.read())
            return sock.recv(1) in _TLS
    except OSError:
        return False


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
