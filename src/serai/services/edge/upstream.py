"""One connection to an instance: it carries at most one request at a time, and reads the answer."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import uvloop

from serai.protocols.http import BodyReader, ChunkedReader, LengthReader, RemoteProtocolError, UntilCloseReader
from serai.services.edge import upload

if TYPE_CHECKING:
    from serai.protocols.http import ResponseHead
    from serai.services.edge.edge import Edge
    from serai.services.edge.exchange import Exchange
    from serai.services.edge.pool import Pool


#: Interim answers before an answer; a program that gives more is broken.
MAX_INTERIM = 16


class Upstream(asyncio.Protocol):
    """One connection to an instance."""

    __slots__ = (
        "_buffer",
        "_edge",
        "_head",
        "_interims",
        "_reader",
        "_sock",
        "pool",
        "session",
        "since",
        "transport",
        "used",
    )

    transport: asyncio.Transport

    def __init__(self, edge: Edge, pool: Pool, sock: socket.socket) -> None:
        self._edge = edge
        self._sock = sock
        self.pool = pool
        self.session: Exchange | None = None
        self.since = 0.0  # monotonic seconds since when it rests
        self.used = False  # has carried a request before the current one
        self._buffer = b""  # a head of which the end has not come
        self._interims = 0  # answers before the current one
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
            self._buffer = b""
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            self._partial(session, data)
            return
        try:
            head = self._edge.response_heads[data[:end]]
        except RemoteProtocolError as error:
            self._broken(session, error.reason)
            return
        framing = 0 if session.head.method == b"HEAD" else head.content
        size = len(data) - end
        if head.status < 200:
            self._interim(session, head, data[end:])
        elif framing == size:
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

    def _partial(self, session: Exchange, data: bytes) -> None:
        """Keep a head of which the end has not come."""
        self._buffer = data
        if len(data) > self._edge.limits.head:
            self._broken(session, "The answer's head is too large.")

    def _interim(self, session: Exchange, head: ResponseHead, rest: bytes) -> None:
        """Handle an answer before the answer (RFC 9110 §15.2); ``rest`` came behind it."""
        if head.status == 101:
            if session.head.fields.upgrade and session.body is None:
                session.upgraded(self, head, rest)
            else:
                self._broken(session, "The program changed the protocol without being asked.")
            return
        self._interims += 1
        if self._interims > MAX_INTERIM:
            self._broken(session, "There are too many interim answers.")
            return
        # 100 is ours to give, so it ends here; HTTP/1.0 knows no interim answers.
        if head.status != 100 and session.head.minor:
            session.write(head.forward + b"\r\n")
        if rest:
            self.data_received(rest)

    def _finish(self, session: Exchange, *, reusable: bool) -> None:
        """Let go of a session whose answer is complete, and rest."""
        pool = self.pool
        reusable = reusable and session.body is None
        self.session = None
        self._head = self._reader = None
        self._interims = 0
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
            upload.stall(self.session)

    def resume_writing(self) -> None:
        """Read on."""
        if self.session is not None:
            upload.flow(self.session)

    def close(self) -> None:
        """End the connection at once."""
        self.session = None
        self.transport.abort()
