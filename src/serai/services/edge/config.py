"""The edge's configuration: addresses, limits and times, each with its unit."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=86400)]
Octets = Annotated[int, Meta(ge=1024, le=1 << 40)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class EdgeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the edge listens, and how much of everything it takes. What is per worker says so."""

    http: tuple[str, ...] = ("tcp://[::]:8080",)
    """Addresses that speak plain HTTP."""
    https: tuple[str, ...] = ("tcp://[::]:8443",)
    """Addresses that speak TLS; none turns TLS, and the redirect to it, off."""
    redirect_http: bool = True
    """Send plain HTTP on to HTTPS (308) for hosts that have a route."""
    https_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """The port that redirects name; 0 takes 443 for requests to port 80, and the first HTTPS address otherwise."""

    platform: Annotated[str, Meta(max_length=90, pattern=r"^[^\0]*$")] = "run/front.sock"
    """The socket, below the home, that api.BASE leads to, and /v1/ of console.BASE; empty leads both names nowhere."""
    console: Annotated[str, Meta(max_length=90, pattern=r"^[^\0]*$")] = "run/console.sock"
    """The socket, below the home, that the rest of console.BASE leads to; empty leads all of it to the API."""

    max_connections: Count = 16384
    """Open connections of clients, per worker; those beyond are closed at once."""
    max_per_address: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Open connections of one client address, per worker; 0 sets no limit."""
    request_line: Octets = 8192
    """Octets of a request line; longer ones are answered 414."""
    head: Octets = 32768
    """Octets of a head; larger ones are answered 431."""
    fields: Annotated[int, Meta(ge=8, le=10_000)] = 100
    """Header fields of a message; more are answered 431."""
    max_upstream: Count = 1024
    """Connections to one instance, per worker; requests beyond wait their turn."""

    handshake_seconds: Seconds = 10.0
    """Time for the TLS handshake."""
    head_seconds: Seconds = 15.0
    """Time from a head's first octet to its last; slower ones are answered 408."""
    body_seconds: Seconds = 30.0
    """Time between two pieces of a request's body; slower ones are answered 408."""
    body_rate: Annotated[int, Meta(ge=0, le=1 << 30)] = 500
    """Octets a second of a request's body, beyond the first ``body_seconds``; slower ones are answered 408. 0: any."""
    idle_seconds: Seconds = 75.0
    """Time that a connection may rest between two requests."""
    send_seconds: Seconds = 60.0
    """Time in which a client that has fallen 64 KiB behind must take 48 of them; slower readers are cut off."""
    stream_seconds: Seconds = 300.0
    """Time between two pieces of a response, once it has begun."""
    relay_seconds: Seconds = 3600.0
    """Time that an upgraded connection (WebSocket) may be silent in both directions."""
    linger_seconds: Seconds = 2.0
    """Time in which a client may read an error before its unread octets reset the connection."""
    connect_seconds: Seconds = 2.0
    """Time to get a connection to an instance."""
    upstream_idle_seconds: Seconds = 4.0
    """Time that a connection to an instance is kept unused: below the 5 seconds after which many programs close."""

    hold_seconds: Seconds = 15.0
    """Time that a request waits for an instance while none is ready; then it is answered 503."""
    max_held: Count = 1000
    """Requests that wait so, per worker; those beyond are answered 503 at once."""
    eject_seconds: Seconds = 0.25
    """Time that an instance gets nothing after it failed; doubled with each failure in a row, up to 30 seconds."""
    health_path: Annotated[str, Meta(pattern=r"^(|/[!-~]{0,255})$")] = ""
    """Path that every instance is asked for regularly; empty relies on the requests alone."""
    health_seconds: Seconds = 5.0
    """Time between two such questions."""

    log: bool = True
    """Write the access log, as lines of JSON, to ``logs/edge/access-GROUP-WORKER.log``."""
    log_octets: Octets = 32 << 20
    """Size at which a log file is put aside."""
    log_files: Annotated[int, Meta(ge=1, le=100)] = 4
    """Log files kept, per worker, the current one included."""
