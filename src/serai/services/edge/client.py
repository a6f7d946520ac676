"""A client's connection as what happens on it: its state, and what is written to it."""

from __future__ import annotations

import asyncio
import socket
from abc import abstractmethod
from typing import TYPE_CHECKING

from serai.protocols.http import BodyReader, RequestHead, ResponseHead
from serai.protocols.http.body import LAST_CHUNK
from serai.services.edge.forward import about_client

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge
    from serai.services.edge.pool import Pool
    from serai.services.edge.routes import Target
    from serai.services.edge.transfer import FileTransfer
    from serai.services.edge.upstream import Upstream

# States. A request is BUSY from its head's end to its answer's; BLOCKED means that the answer has not left yet.
IDLE, HEAD, BUSY, BLOCKED, LINGER, CLOSED = range(6)


class Client(asyncio.Protocol):
    """One connection, used again for each request: no object is made for one.

    ``deadline``: monotonic seconds at which the connection's patience ends.
    """

    __slots__ = (
        "_attempts",
        "_chunking",
        "_looked",
        "blocked",
        "body",
        "body_since",
        "buffer",
        "closing",
        "deadline",
        "edge",
        "ended",
        "forward",
        "head",
        "held_until",
        "path",
        "paused",
        "peer",
        "pool",
        "received",
        "redirects",
        "request_id",
        "responding",
        "secure",
        "sent",
        "server_name",
        "sock",
        "stalled_at",
        "started",
        "state",
        "status",
        "target",
        "transfer",
        "transport",
        "upstream",
    )

    transport: asyncio.Transport
    head: RequestHead

    def __init__(self, edge: Edge, peer: str, sock: socket.socket, *, secure: bool, redirects: bool) -> None:
        self.edge = edge
        self.sock = sock
        self.peer = peer
        self.secure = secure
        self.redirects = redirects  # plain HTTP that only leads to HTTPS
        self.server_name = ""  # the name that TLS was made for
        self.forward = about_client(peer, secure=secure)
        self.state = IDLE
        self.deadline = 0.0
        self.target: Target | None = None
        self.pool: Pool | None = None
        self.upstream: Upstream | None = None
        self.transfer: FileTransfer | None = None
        self.body: BodyReader | None = None  # what of the request has not been read
        self.body_since = self.stalled_at = 0.0  # see `serai.services.edge.upload`
        self.held_until = 0.0
        self.responding = False  # an octet of the answer has been sent
        self.closing = False  # the connection ends with this answer
        self.received = self.sent = self.status = 0
        self.path = b""
        self.request_id = b""
        self.started = 0.0
        self._attempts = 0
        self.blocked = False  # more waits to be sent than should
        self.buffer = b""  # octets that were not looked at
        self.ended = False  # the client sends no more
        self.paused = False  # nothing is read for now
        self._looked = 0
        self._chunking = False

    @abstractmethod
    def advance(self) -> None:
        """Read on, now that the exchange before is over."""

    @abstractmethod
    def hush(self) -> None:
        """Let no octets come in for now."""

    @abstractmethod
    def listen(self) -> None:
        """Let octets come in again."""

    @abstractmethod
    def close(self, now: float) -> None:
        """End the connection once all is sent."""

    @abstractmethod
    def abort(self) -> None:
        """End the connection at once."""

    def answer(self, head: ResponseHead, body: bytes) -> None:
        """Write a complete answer of an instance; `finish` follows."""
        octets = b"".join((head.forward, b"Connection: close\r\n\r\n" if self.closing else b"\r\n", body))
        self.status = head.status
        self.sent += len(octets)
        self.transport.write(octets)

    def begin(self, head: ResponseHead, framing: int | None) -> None:
        """Write the head of an answer whose body comes in pieces (octets, or None and below 0 for unknown)."""
        self.ends_early()
        self._chunking = framing is None or framing < 0
        if self._chunking and not self.head.minor:
            # RFC 9112 §6.3: for HTTP/1.0, the end of the connection is the end of the body.
            self._chunking = False
            self.closing = True
        self.status = head.status
        self.responding = True
        coding = b"Transfer-Encoding: chunked\r\n" if self._chunking else b""
        self.write(head.forward + coding + (b"Connection: close\r\n\r\n" if self.closing else b"\r\n"))

    def send(self, piece: bytes) -> None:
        """Write a piece of an answer's body."""
        if self._chunking:
            self.transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
        else:
            self.transport.write(piece)
        self.sent += len(piece)
        if not self.blocked:
            self.deadline = self.edge.monotonic() + self.edge.config.stream_seconds

    def end(self) -> None:
        """Write the end of an answer's body; `finish` follows."""
        if self._chunking:
            self.write(LAST_CHUNK)
            self._chunking = False

    def write(self, octets: bytes) -> None:
        """Write, and count."""
        self.sent += len(octets)
        self.transport.write(octets)

    def ends_early(self) -> None:
        """Close after an answer that comes before its request's end: what else comes is not a request."""
        if self.body is not None:
            self.closing = True
