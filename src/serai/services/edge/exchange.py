"""One request's way to an instance and its answer's way back; a connection has at most one under way."""

from __future__ import annotations

import asyncio
import socket
from abc import abstractmethod
from typing import TYPE_CHECKING

from serai.protocols.http import BodyReader, RequestHead, ResponseHead, chunk
from serai.protocols.http.body import LAST_CHUNK
from serai.services.edge import respond
from serai.services.edge.forward import about_client, request_octets
from serai.services.edge.log import entry_of
from serai.services.edge.relay import Relay

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge
    from serai.services.edge.pool import Pool
    from serai.services.edge.routes import Target
    from serai.services.edge.transfer import FileTransfer
    from serai.services.edge.upstream import Upstream

#: Tries of one request in all: a stale connection, a dead instance, another one, and one for bad luck.
ATTEMPTS = 4
#: RFC 9110 §9.2.1: methods that may be sent twice. The idempotent ones that change things are left to the client.
SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS"))

# States. A request is BUSY from its head's end to its answer's; BLOCKED means that the answer has not left yet.
IDLE, HEAD, BUSY, BLOCKED, LINGER, CLOSED = range(6)


class Exchange(asyncio.Protocol):
    """What is under way on a connection. No object is made for a request: this one is used again.

    ``deadline``: monotonic seconds at which the connection's patience ends.
    """

    __slots__ = (
        "_attempts",
        "_chunking",
        "_looked",
        "blocked",
        "body",
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

    def dispatch(self, now: float, avoid: Pool | None = None) -> None:
        """Send the request to an instance, or let it wait for one."""
        edge = self.edge
        target = self.target
        assert target is not None  # noqa: S101  # requests without a target were answered
        release = target.release
        if release.version != edge.routes.version:
            edge.routes.update(release)
        pool = release.pick(now, avoid)
        if pool is None:
            self._hold(now)
            return
        self.pool = pool
        pool.outstanding += 1
        if pool.idle and not self._attempts:
            upstream = pool.idle.pop()
            upstream.session = self
            self.upstream = upstream
            upstream.transport.write(request_octets(self, target))
            if self.body is not None:
                self._start_body()
        else:
            pool.connect(self)

    def answer(self, head: ResponseHead, body: bytes) -> None:
        """Write a complete answer of an instance; `finish` follows."""
        octets = b"".join((head.forward, b"Connection: close\r\n\r\n" if self.closing else b"\r\n", body))
        self.status = head.status
        self.sent += len(octets)
        self.transport.write(octets)

    def finish(self, now: float) -> None:
        """Write the log, and be ready for the next request. Whoever calls this from outside gets it read at once."""
        edge = self.edge
        target = self.target
        seconds = now - self.started
        pool = self.pool
        if pool is not None:
            pool.outstanding -= 1
        edge.metrics.observe(seconds)
        if target is not None:
            target.counters.count(self.status, self.received, self.sent)
        if edge.config.log:
            edge.access.append(entry_of(self, seconds))
        self.target = self.pool = self.upstream = None
        self.received = self.sent = self._attempts = 0
        self.responding = False
        self.held_until = 0.0
        if self.closing:
            self.close(now)
        elif self.blocked:
            self.state = BLOCKED
            self.deadline = now + edge.config.send_seconds
        else:
            self.state = IDLE
            self.deadline = now + edge.rest_seconds

    def connected(self, upstream: Upstream) -> None:
        """Go on with a connection that the pool has got."""
        target = self.target
        assert target is not None  # noqa: S101  # who waits for an instance has one
        self.upstream = upstream
        upstream.session = self
        upstream.transport.write(request_octets(self, target))
        if self.body is not None:
            self._start_body()

    def upstream_lost(self, *, sent: bool) -> None:
        """Try again elsewhere where that is safe: no octet of an answer came, and nothing can happen twice."""
        now = self.edge.monotonic()
        pool, self.pool, self.upstream = self.pool, None, None
        if pool is not None:
            pool.outstanding -= 1
        self._attempts += 1
        again = not sent or (self.head.method in SAFE and not self.head.has_body)
        if again and self._attempts < ATTEMPTS:
            self.dispatch(now, pool)
        elif again:
            self._hold(now)
        else:
            respond.refuse(self, 502)
        self.advance()

    def upstream_broke(self) -> None:
        """Say so if nothing was sent yet; or else break off, so that nobody takes a half answer for a whole one."""
        self.upstream = None
        respond.refuse(self, 502)
        self.advance()

    def _hold(self, now: float) -> None:
        release = self.target.release if self.target is not None else None
        if not self.edge.hold.add(self, now):
            respond.refuse(self, 503)
            return
        self.deadline = self.held_until + 1.0
        if release is not None and not release.members:
            self.edge.hold.wake(release.key, now)

    def resume(self, now: float) -> None:
        """Look again for an instance."""
        site = self.edge.routes.site(self.head.fields.host, now)
        self.target = site.find(self.path) if site is not None else None
        self._attempts = 1
        if self.target is None or not self.target.proxied:
            respond.unusual(self, now)
        else:
            self.deadline = now + self.target.timeout
            self.dispatch(now)
        self.advance()

    def upgraded(self, upstream: Upstream, head: ResponseHead, rest: bytes) -> None:
        """Become a relay (RFC 9110 §7.8): from here on, octets only."""
        self.status = 101
        self.write(head.forward + b"Connection: Upgrade\r\nUpgrade: %b\r\n\r\n" % head.upgrade + rest)
        self.edge.sessions.discard(self)
        self.state = CLOSED
        waiting, self.buffer = self.buffer, b""
        Relay.join(self, upstream, waiting)

    def leave(self) -> None:
        """Let go of the instance before its answer is complete."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.close()
        elif self.pool is not None and self in self.pool.waiting:
            self.pool.waiting.remove(self)
        if self.transfer is not None:
            self.transfer.stop()
            self.transfer = None
        self.edge.hold.remove(self)

    def _start_body(self) -> None:
        if self.head.fields.continues and not self.buffer:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._pump()
        self.listen()

    def _pump(self) -> None:
        """Send on what has come of the request's body."""
        body, upstream, edge = self.body, self.upstream, self.edge
        if body is None or upstream is None or self.target is None:
            return
        pieces, self.buffer = body.receive(self.buffer)
        if self.ended:
            body.eof()
        chunked = self.head.fields.chunked
        for piece in pieces:
            self.received += len(piece)
            upstream.transport.write(chunk(piece) if chunked else piece)
        if self.received > self.target.route.max_body:
            respond.refuse(self, 413)
        elif body.error is not None:
            respond.malformed(self, body.error)
        elif body.done:
            self.body = None
            if chunked:
                upstream.transport.write(LAST_CHUNK)
            self.deadline = edge.monotonic() + self.target.timeout
        else:
            self.deadline = edge.monotonic() + edge.config.body_seconds

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
