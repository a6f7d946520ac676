"""What an instance is told: the request made anew, and what only the edge knows about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.protocols.http import RequestHead
from serai.protocols.http.request import DROPPED

if TYPE_CHECKING:
    from serai.services.edge.exchange import Exchange
    from serai.services.edge.routes import Target

#: What the edge tells programs itself; a visitor's own word on it is not passed on, nor what ends at this hop.
OURS = DROPPED | frozenset(
    (
        b"host",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-real-ip",
        b"x-request-id",
        b"x-script-name",
    )
)


def about_client(peer: str, *, secure: bool) -> bytes:
    """Return the field lines that are the same for all requests of a connection, up to the request's ID."""
    proto = b"https" if secure else b"http"
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Request-ID: " % (peer.encode(), proto)


def request_octets(exchange: Exchange, target: Target) -> bytes:
    """Make the request's head anew from its parsed form: nobody behind us sees what we did not understand."""
    head = exchange.head
    fields = head.fields
    cut = target.cut
    authority = fields.authority
    extra = target.forward
    if not fields.simple:
        extra += _framing(head)
    return b"".join(
        (
            head.method,
            b" ",
            head.target[cut:] if cut else head.target,
            b" HTTP/1.1\r\nHost: ",
            authority,
            b"\r\nX-Forwarded-Host: ",
            authority,
            b"\r\n",
            exchange.forward,
            exchange.request_id,
            b"\r\n",
            extra,
            fields.forward,
            b"\r\n",
        )
    )


def _framing(head: RequestHead) -> bytes:
    """Return the field lines that say to an instance how the request goes on."""
    lines = b"Transfer-Encoding: chunked\r\n" if head.fields.chunked else b""
    if head.fields.upgrade and not head.has_body:
        lines += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.fields.upgrade
    return lines
