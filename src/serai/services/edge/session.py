"""One client's connection: reads requests, hands them on one at a time, writes the answers.

The usual request (no body, no upgrade, known host) costs a handful of calls and no object that outlives it. Everything
else leaves that way early, into `serai.services.edge.respond` or the methods below the line.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from serai.protocols.http import BodyReader, RemoteProtocolError, RequestHead, ResponseHead, chunk, head_end
from serai.protocols.http.body import LAST_CHUNK
from serai.services.edge import respond
from serai.services.edge.log import Entry
from serai.services.edge.relay import Relay

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge
    from serai.services.edge.routes import Target
    from serai.services.edge.transfer import FileTransfer
    from serai.services.edge.upstream import Pool, Upstream

#: Unread octets after which a client is not read from until its request is through.
READ_AHEAD = 65536
#: Tries of one request in all: a stale connection, a dead instance, another one, and one for bad luck.
ATTEMPTS = 4
#: RFC 9110 §9.2.1: methods that may be sent twice. The idempotent ones that change things are left to the client.
SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS"))

# States. A request is BUSY from its head's end to its answer's; BLOCKED means that the answer has not left yet.
IDLE, HEAD, BUSY, BLOCKED, LINGER, CLOSED = range(6)


class Session(asyncio.Protocol):
    """A client's connection, from accept to close. ``deadline``: monotonic seconds at which `expire` is called."""

    __slots__ = (
        "_attempts",
        "_chunking",
        "_forward",
        "_looked",
        "_outgoing",
        "_started",
        "blocked",
        "body",
        "buffer",
        "closing",
        "deadline",
        "edge",
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
        proto = b"https" if secure else b"http"
        self._forward = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Request-ID: " % (peer.encode(), proto)
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
        self._started = 0.0
        self._attempts = 0
        self.blocked = False  # more waits to be sent than should
        self.buffer = b""  # octets that were not looked at
        self.paused = False  # nothing is read for now
        self._looked = 0
        self._chunking = False
        self._outgoing = b""

    # -- the usual way ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the others."""
        self.transport = transport  # type: ignore[assignment]  # a Transport, for TCP
        edge = self.edge
        if self.secure:
            self.server_name = getattr(transport.get_extra_info("ssl_object"), "server_name", "")
        edge.sessions.add(self)
        self.deadline = edge.monotonic() + edge.config.head_seconds

    def data_received(self, data: bytes) -> None:
        """Take octets from the client."""
        if self.state == IDLE:
            self._request(data)
            if self.buffer and self.state == IDLE:
                self.advance()
        else:
            self._more(data)

    def _request(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n") + 4
        edge = self.edge
        if end == 3 or data[0] == 0x0D:
            self._partial(data)
            return
        if end != len(data):
            self.buffer = data[end:]
            data = data[:end]
        self.state = BUSY
        self._started = now = edge.monotonic()
        edge.number = number = edge.number + 1
        self.request_id = b"%b%x" % (edge.id_prefix, number)
        try:
            self.head = head = edge.request_head(data)
        except RemoteProtocolError as error:
            respond.malformed(self, error)
            return
        target = head.target
        mark = target.find(b"?")
        self.path = path = target if mark < 0 else target[:mark]
        fields = head.fields
        site = edge.routes.site(fields.host, now)
        self.target = found = site.find(path) if site is not None else None
        if (
            found is None
            or not fields.simple
            or not found.proxied
            or found.length > len(path)
            or self.redirects
            or not head.minor
            or edge.draining
            or fields.host != self.server_name != ""
        ):
            respond.unusual(self, now)
        else:
            self.deadline = now + found.timeout
            self.dispatch(now)

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
            upstream.transport.write(self._octets(target))
            if self.body is not None:
                self._start_body()
        else:
            pool.connect(self)

    def _octets(self, target: Target) -> bytes:
        """Make the request's head anew from its parsed form: nobody behind us sees what we did not understand."""
        head = self.head
        fields = head.fields
        cut = target.cut
        authority = fields.authority
        extra = target.forward
        if not fields.simple:
            extra += respond.framing(head)
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
                self._forward,
                self.request_id,
                b"\r\n",
                extra,
                fields.forward,
                b"\r\n",
            )
        )

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
        seconds = now - self._started
        pool = self.pool
        if pool is not None:
            pool.outstanding -= 1
        edge.metrics.observe(seconds)
        if target is not None:
            target.counters.count(self.status, self.received, self.sent)
        if edge.config.log:
            self._log(seconds, target, pool)
        self.target = self.pool = self.upstream = None
        self.received = self.sent = self._attempts = 0
        self.responding = False
        self.held_until = 0.0
        if self.closing:
            self._close(now)
        elif self.blocked:
            self.state = BLOCKED
            self.deadline = now + edge.config.send_seconds
        else:
            self.state = IDLE
            self.deadline = now + edge.config.idle_seconds

    def _log(self, seconds: float, target: Target | None, pool: Pool | None) -> None:
        edge = self.edge
        head = self.head if self.path else None
        route = target.route if target is not None else None
        edge.access.append(
            Entry(
                self._started + edge.wall,
                seconds,
                self.status,
                head.method.decode() if head is not None else "",
                head.fields.host if head is not None else "",
                self.path.decode(),
                route.tenant if route is not None else "",
                route.app if route is not None else "",
                route.release if route is not None else 0,
                pool.name if pool is not None else "",
                self.peer,
                self.request_id.decode(),
                self.received,
                self.sent,
            )
        )

    # -- requests that arrive in pieces ---------------------------------------------------------------------------

    def advance(self) -> None:
        """Read the requests that wait in the buffer, as long as they can be answered at once."""
        while self.state == IDLE and self.buffer:
            data, self.buffer = self.buffer, b""
            self._request(data)
        self.listen()

    def _partial(self, data: bytes) -> None:
        """Keep a head of which the end has not come, and begin behind empty lines (RFC 9112 §2.2)."""
        edge = self.edge
        at = 0
        while data.startswith(b"\r\n", at):
            at += 2
        if at:
            data = data[at:]
            if not data:
                self.state = IDLE
                return
            if b"\r\n\r\n" in data and data[0] != 0x0D:
                self._request(data)
                return
        if self.state == IDLE:
            self.state = HEAD
            self.deadline = edge.monotonic() + edge.config.head_seconds
        self.buffer = data
        if data == b"\r":
            return
        try:
            head_end(data, edge.limits, self._looked)
            self._looked = len(data)
        except RemoteProtocolError as error:
            self._started = edge.monotonic()
            respond.malformed(self, error)

    def _more(self, data: bytes) -> None:
        state = self.state
        if state in {LINGER, CLOSED}:
            return
        self.buffer += data
        if state == HEAD:
            data, self.buffer = self.buffer, b""
            if data.find(b"\r\n\r\n", max(self._looked - 3, 0)) < 0:
                self._partial(data)
                return
            self.state, self._looked = IDLE, 0
            self._request(data)
            self.advance()
        elif self.body is not None and self.upstream is not None:
            self._pump()
        elif len(self.buffer) > READ_AHEAD:
            self.hush()

    def advance_soon(self) -> None:
        """Call `advance` from the loop, since the caller may stand within it."""
        asyncio.get_running_loop().call_soon(self.advance)

    def hush(self) -> None:
        """Read nothing more from the client for now."""
        if not self.paused and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def listen(self) -> None:
        """Read from the client again, unless enough waits already."""
        if self.paused and len(self.buffer) <= READ_AHEAD and not self.transport.is_closing():
            self.paused = False
            self.transport.resume_reading()

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

    # -- answers that arrive in pieces ----------------------------------------------------------------------------

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

    def pause_writing(self) -> None:
        """Take no more from the instance than the client takes."""
        self.blocked = True
        self.deadline = self.edge.monotonic() + self.edge.config.send_seconds
        if self.upstream is not None and not self.upstream.transport.is_closing():
            self.upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self.blocked = False
        self.deadline = self.edge.monotonic() + self.edge.config.stream_seconds
        if self.upstream is not None and not self.upstream.transport.is_closing():
            self.upstream.transport.resume_reading()
        if self.transfer is not None:
            self.transfer.resume()
        elif self.state == BLOCKED:
            self.state = IDLE
            self.advance()

    # -- what else happens ----------------------------------------------------------------------------------------

    def connected(self, upstream: Upstream) -> None:
        """Go on with a connection that the pool has got."""
        target = self.target
        assert target is not None  # noqa: S101  # who waits for an instance has one
        self.upstream = upstream
        upstream.session = self
        upstream.transport.write(self._octets(target))
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

    def expire(self, now: float) -> None:
        """Handle a deadline that has passed (RFC 9110 §15.5.9, §15.6.5)."""
        if self.state == HEAD or (self.state == BUSY and self.body is not None and not self.responding):
            self.path = self.path if self.state == BUSY else b""
            self._started = now if self.state == HEAD else self._started
            self.closing = True
            respond.refuse(self, 408)
        elif self.state == BUSY and not self.responding:
            respond.refuse(self, 504)
            self.advance()
        elif self.state == IDLE:
            self.state = CLOSED
            self.deadline = now + self.edge.config.linger_seconds
            self.transport.close()
        else:
            self.abort()

    def drain(self) -> None:
        """End the connection now if it rests, or else with the answer that is under way."""
        if self.state == IDLE:
            self.transport.close()
        elif self.state == BUSY and not self.responding:
            self.closing = True

    def eof_received(self) -> bool:
        """Answer what a client asked before it closed its direction."""
        if self.state == BUSY and self.body is None and not self.secure:
            self.closing = True
            return True
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        """Leave. A request without its answer is logged as 499, as is the custom."""
        edge = self.edge
        edge.sessions.discard(self)
        if edge.addresses:
            edge.addresses[self.peer] -= 1
        if self.state == BUSY:
            self.leave()
            self.status = self.status or 499
            self.closing = True
            self.state = CLOSED
            self.finish(edge.monotonic())
        self.state = CLOSED

    def _close(self, now: float) -> None:
        """Close; where the client may still be sending, read it out first, or it would lose the answer to a reset."""
        if self.state != CLOSED and (self.body is not None or self.status >= 400) and not self.secure:
            self.state = LINGER
            self.deadline = now + self.edge.config.linger_seconds
            self.buffer = b""
            self.listen()
            self.transport.write_eof()
            return
        self.state = CLOSED
        self.deadline = now + self.edge.config.send_seconds
        self.transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self.transport.abort()
