"""Connections to instances: one pool per instance, one `Upstream` per connection, at most one request on each."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING

import uvloop

from serai.cloud.connector import MAX_SOCKETS, sockets
from serai.errors import UnavailableError
from serai.protocols.http import BodyReader, ChunkedReader, LengthReader, RemoteProtocolError, UntilCloseReader
from serai.services.edge.balance import Member

if TYPE_CHECKING:
    from serai.protocols.http import ResponseHead
    from serai.services.edge.edge import Edge
    from serai.services.edge.exchange import Exchange


class Pool(Member):
    """An instance and the connections to it."""

    __slots__ = ("_edge", "_opening", "connector", "idle", "name", "open", "port", "retired", "waiting")

    def __init__(self, edge: Edge, name: str, connector: str, port: int) -> None:
        super().__init__(edge.config.eject_seconds)
        self._edge = edge
        self.name = name
        self.connector = connector
        self.port = port
        self.idle: list[Upstream] = []
        self.waiting: deque[Exchange] = deque()
        self.open = 0
        self.retired = False
        self._opening = 0

    @property
    def unused(self) -> bool:
        """Tell whether nothing is under way here."""
        return not (self.open or self._opening or self.waiting)

    def connect(self, session: Exchange) -> None:
        """Give ``session`` a new connection, or the first that becomes free: `Exchange.connected` is called."""
        self.waiting.append(session)
        self._grow()

    def free(self, upstream: Upstream, now: float) -> None:
        """Take a connection back; it goes to who waits for one, or rests."""
        if self.retired and not self.waiting:
            upstream.close()
        elif self.waiting:
            self.waiting.popleft().connected(upstream)
        else:
            upstream.since = now
            self.idle.append(upstream)

    def expire(self, before: float) -> None:
        """Close connections that have rested since ``before``; the list is in order of that time."""
        idle = self.idle
        while idle and idle[0].since < before:
            idle.pop(0).close()

    def retire(self) -> None:
        """Let go of what rests, and of what comes to rest from now on."""
        self.retired = True
        idle, self.idle = self.idle, []
        for upstream in idle:
            upstream.close()

    def made(self, upstream: Upstream) -> None:
        """Take note of a connection that has come about."""
        self._opening -= 1
        self.open += 1
        self.free(upstream, self._edge.monotonic())

    def lost(self, upstream: Upstream) -> None:
        """Take note of a connection that has ended."""
        self.open -= 1
        if upstream in self.idle:
            self.idle.remove(upstream)
        self._grow()

    def _grow(self) -> None:
        wanted = len(self.waiting) - self._opening
        count = min(wanted, self._edge.config.max_upstream - self.open - self._opening, MAX_SOCKETS)
        if count > 0:
            self._opening += count
            self._edge.spawn(self._fetch(count))

    async def _fetch(self, count: int) -> None:
        try:
            made = await sockets(self.connector, count, deadline=self._edge.config.connect_seconds)
        except UnavailableError as error:
            self._failed(count, error)
            return
        for sock in made:
            self._edge.spawn(self._connect(sock))

    async def _connect(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._edge.config.connect_seconds):
                await loop.sock_connect(sock, ("127.0.0.1", self.port))
                await loop.create_connection(lambda: Upstream(self._edge, self, sock), sock=sock)
        except (OSError, TimeoutError) as error:
            sock.close()
            self._failed(1, error)

    def _failed(self, count: int, error: Exception) -> None:
        self._opening -= count
        if not self.retired:
            self._edge.log.info("edge.unreachable", instance=self.name, reason=str(error))
        self.failed(self._edge.monotonic())
        # Nothing was sent for those who wait: they can go anywhere else.
        for _ in range(min(count, len(self.waiting))):
            self.waiting.popleft().upstream_lost(sent=False)
        self._grow()


class Upstream(asyncio.Protocol):
    """One connection to an instance."""

    __slots__ = ("_buffer", "_edge", "_head", "_reader", "_sock", "pool", "session", "since", "transport", "used")

    transport: asyncio.Transport

    def __init__(self, edge: Edge, pool: Pool, sock: socket.socket) -> None:
        self._edge = edge
        self._sock = sock
        self.pool = pool
        self.session: Exchange | None = None
        self.since = 0.0  # monotonic seconds since when it rests
        self.used = False  # has carried a request before the current one
        self._buffer = b""  # a head of which the end has not come
        self._head: ResponseHead | None = None
        self._reader: BodyReader | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the pool."""
        self.transport = transport  # type: ignore[assignment]  # a Transport, for TCP
        if isinstance(asyncio.get_running_loop(), uvloop.Loop):
            # The transport closes the descriptor, but learns of the socket object, which would close it as well, only
            # when create_connection() goes on. A connection that ends before would have its descriptor closed twice,
            # the second time under somebody else's connection.
            self._sock.detach()
        self.pool.made(self)

    @property
    def answering(self) -> bool:
        """Tell whether any octet of the answer has come."""
        return self._head is not None or bool(self._buffer)

    def data_received(self, data: bytes) -> None:
        """Read the answer. What the usual case does stands here: a whole head, and a body of known length."""
        session = self.session
        if session is None:
            self.close()  # an answer without a question: nobody could say whose the next one is
            return
        if self._head is not None:
            self._body(session, data)
            return
        if self._buffer:
            data = self._buffer + data
        end = data.find(b"\r\n\r\n") + 4
        if end == 3 or data.startswith(b"HTTP/1.1 1"):
            self._unusual(session, data)
            return
        try:
            head = self._edge.response_head(data[:end])
        except RemoteProtocolError as error:
            self._broken(session, error.reason)
            return
        self._buffer = b""
        framing = head.framing(session.head.method)
        size = len(data) - end
        if framing == size:
            if session.body is not None:
                session.ends_early()
            session.answer(head, data[end:])
            self._finish(session, reusable=head.keep_alive)
        elif framing is not None and 0 <= framing < size:
            self._broken(session, "The answer is longer than it says.")
        else:
            self._begin(session, head, framing, data[end:])

    def _begin(self, session: Exchange, head: ResponseHead, framing: int | None, rest: bytes) -> None:
        """Start an answer of which the end has not come."""
        self._head = head
        if framing is None:
            self._reader = UntilCloseReader()
        elif framing < 0:
            self._reader = ChunkedReader(self._edge.limits)
        else:
            self._reader = LengthReader(framing)
        session.begin(head, framing)
        if rest:
            self._body(session, rest)

    def _body(self, session: Exchange, data: bytes) -> None:
        reader = self._reader
        assert reader is not None  # noqa: S101  # set together with _head
        pieces, rest = reader.receive(data)
        for piece in pieces:
            session.send(piece)
        if reader.error is not None or rest:
            self._broken(session, "The answer's body is malformed.")
        elif reader.done:
            head = self._head
            session.end()
            self._finish(session, reusable=head is not None and head.keep_alive)

    def _unusual(self, session: Exchange, data: bytes) -> None:
        """Handle heads that are incomplete, and interim answers (RFC 9110 §15.2)."""
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            self._buffer = data
            if len(data) > self._edge.limits.head:
                self._broken(session, "The answer's head is too large.")
            return
        try:
            head = self._edge.response_head(data[:end])
        except RemoteProtocolError as error:
            self._broken(session, error.reason)
            return
        self._buffer = b""
        if head.status == 101:
            if session.head.fields.upgrade and session.body is None:
                session.upgraded(self, head, data[end:])
            else:
                self._broken(session, "The program changed the protocol without being asked.")
            return
        # 100 is ours to give, so it ends here; HTTP/1.0 knows no interim answers.
        if head.status != 100 and session.head.minor:
            session.transport.write(head.forward + b"\r\n")
        if len(data) > end:
            self.data_received(data[end:])

    def _finish(self, session: Exchange, *, reusable: bool) -> None:
        """Let go of a session whose answer is complete, and rest."""
        pool = self.pool
        reusable = reusable and session.body is None
        self.session = None
        self._head = self._reader = None
        self.used = True
        if pool.failures:
            pool.succeeded()
        now = self._edge.monotonic()
        if not reusable:
            self.transport.close()
        else:
            if session.blocked:
                self.transport.resume_reading()
            pool.free(self, now)
        session.finish(now)
        if session.buffer or session.paused:
            session.advance()

    def _broken(self, session: Exchange, reason: str) -> None:
        self._edge.log.info("edge.broken_answer", instance=self.pool.name, reason=reason)
        self.session = None
        self.close()
        session.upstream_broke()

    def eof_received(self) -> bool | None:
        """Let the connection close: a program that closes has nothing more to say."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """End an answer that ends so, or tell the session that there will be none."""
        session, self.session = self.session, None
        self.pool.lost(self)
        if session is None:
            return
        if self._reader is not None and exc is None:
            self._reader.eof()
            if self._reader.done:
                session.end()
                session.finish(self._edge.monotonic())
                session.advance()
                return
        if self.answering:
            session.upstream_broke()
            return
        if not self.used:
            self.pool.failed(self._edge.monotonic())
        session.upstream_lost(sent=True)

    def pause_writing(self) -> None:
        """Read no more of the request than the program takes."""
        if self.session is not None:
            self.session.hush()

    def resume_writing(self) -> None:
        """Read on."""
        if self.session is not None:
            self.session.listen()

    def close(self) -> None:
        """End the connection at once."""
        self.session = None
        self.transport.abort()
