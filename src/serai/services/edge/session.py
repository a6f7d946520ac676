"""One client's connection: reads requests, hands them on one at a time, and keeps the time.

The usual request (no body, no upgrade, known host) costs a handful of calls and no object that outlives it. Everything
else leaves that way early, into `serai.services.edge.respond`.
"""

from __future__ import annotations

import asyncio

from serai.protocols.http import RemoteProtocolError, head_end
from serai.services.edge import respond, upload
from serai.services.edge.client import BLOCKED, BUSY, CLOSED, HEAD, IDLE, LINGER
from serai.services.edge.exchange import Exchange

#: Unread octets after which a client is not read from until its request is through.
READ_AHEAD = 65536
#: Unsent octets at which an instance is not read from, and to which they must fall within ``send_seconds``.
UNSENT, UNSENT_LOW = 65536, 16384


class Session(Exchange):
    """A client's connection, from accept to close."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the others."""
        self.transport = transport  # type: ignore[assignment]  # a Transport, for TCP
        edge = self.edge
        self.transport.set_write_buffer_limits(UNSENT, UNSENT_LOW)
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
        self.started = now = edge.monotonic()
        edge.number = number = edge.number + 1
        self.request_id = b"%b%x" % (edge.id_prefix, number)
        try:
            self.head = head = edge.read_request(data)
        except RemoteProtocolError as error:
            respond.malformed(self, error)
            return
        self.path = path = head.path
        fields = head.fields
        self.target = target = edge.routes.find(fields.host, path, now)
        if (
            target is None
            or not target.proxied
            or target.length > len(path)
            or not fields.simple
            or not head.minor
            or self.redirects
            or edge.draining
            or (self.server_name and self.server_name != fields.host)
        ):
            respond.unusual(self, now)
        else:
            self.deadline = now + target.timeout
            self.dispatch(now)

    def advance(self) -> None:
        """Read the requests that wait in the buffer, as long as they can be answered at once."""
        while self.state == IDLE and self.buffer:
            data, self.buffer = self.buffer, b""
            self._request(data)
        if self.ended and self.state in {IDLE, HEAD}:
            self.state = CLOSED
            self.transport.close()
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
            self.started = edge.monotonic()
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
            upload.pump(self)
        elif len(self.buffer) > READ_AHEAD:
            self.hush()

    def hush(self) -> None:
        """Read nothing more from the client for now."""
        if not self.paused and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def listen(self) -> None:
        """Read from the client again, unless enough waits already."""
        if self.paused and not self.ended and len(self.buffer) <= READ_AHEAD and not self.transport.is_closing():
            self.paused = False
            self.transport.resume_reading()

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

    def eof_received(self) -> bool:
        """Answer what a client asked before it closed its direction (RFC 9112 §9.6); TLS has no half."""
        if self.secure or self.state not in {BUSY, BLOCKED}:
            return False
        self.ended = self.paused = True
        upload.pump(self)
        return True

    def connection_lost(self, _exc: Exception | None) -> None:
        """Leave. A request without its answer is logged as 499, as is the custom."""
        edge = self.edge
        edge.sessions.discard(self)
        edge.left(self.peer)
        if self.state == BUSY:
            self.leave()
            self.status = self.status or 499
            self.closing = True
            self.state = CLOSED
            self.finish(edge.monotonic())
        self.state = CLOSED

    def expire(self, now: float) -> None:
        """Handle a deadline that has passed (RFC 9110 §15.5.9, §15.6.5)."""
        if self.state == HEAD or (self.state == BUSY and upload.awaited(self) and not self.responding):
            self.path = self.path if self.state == BUSY else b""
            self.started = now if self.state == HEAD else self.started
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
        """End the connection with its next answer, or soon if it rests: a request may be on its way to us."""
        if self.state == IDLE:
            self.deadline = min(self.deadline, self.edge.monotonic() + self.edge.rest_seconds)
        elif self.state == BUSY and not self.responding:
            self.closing = True

    def close(self, now: float) -> None:
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
