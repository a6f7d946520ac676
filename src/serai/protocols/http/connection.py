"""The order of messages on a connection (RFC 9112 §9): octets in, events out, and events in, octets out.

Two rules. A side that has sent something broken is not read again: `next_event` raises the same error each time. A
request is read only when the answer to the one before it is complete, so that answers leave in order (§9.3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from serai.protocols.http.body import LAST_CHUNK, BodyReader, ChunkedReader, LengthReader, UntilCloseReader, chunk
from serai.protocols.http.errors import LocalProtocolError, RemoteProtocolError
from serai.protocols.http.events import NEED_DATA, PAUSED, ConnectionClosed, Data, EndOfMessage, Wait
from serai.protocols.http.head import head_end
from serai.protocols.http.limits import Limits
from serai.protocols.http.request import RequestHead, RequestReader, request_head
from serai.protocols.http.response import ResponseHead, response_head, status_line

T = TypeVar("T")


class _Reader:
    """Cut a stream of octets into heads and bodies."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._buffer = b""
        self._looked = 0  # octets of the buffer in which no head ends
        self._body: BodyReader | None = None
        self._pieces: list[bytes] = []
        self._eof = False
        self._error: RemoteProtocolError | None = None

    @property
    def unread(self) -> bytes:
        """Return octets that came and belong to no event yet: after 101, what the new protocol begins with."""
        return self._buffer

    def receive_data(self, data: bytes) -> None:
        """Take what came; nothing (``b""``) means that the other side has closed its direction."""
        if data:
            self._buffer += data
        else:
            self._eof = True

    def _once_wrong_always_wrong(self, step: Callable[[], T]) -> T:
        """Take a step; an error is raised again by all later ones, for nothing behind it can be trusted."""
        if self._error is not None:
            raise self._error
        try:
            return step()
        except RemoteProtocolError as error:
            self._error = error
            raise

    def _head(self) -> bytes | None:
        """Return the next head when it is complete."""
        if self._looked == 0:
            # RFC 9112 §2.2: empty lines before the request line are to be ignored.
            at = 0
            while self._buffer.startswith(b"\r\n", at):
                at += 2
            self._buffer = self._buffer[at:]
        if self._buffer == b"\r":
            return None
        end = head_end(self._buffer, self.limits, self._looked)
        if end < 0:
            self._looked = len(self._buffer)
            return None
        head, self._buffer, self._looked = self._buffer[:end], self._buffer[end:], 0
        return head

    def _content(self, body: BodyReader) -> Data | EndOfMessage | Wait:
        if not self._pieces and not body.done:
            self._pieces, self._buffer = body.receive(self._buffer)
            if not self._pieces and self._eof and body.error is None:
                body.eof()
        if self._pieces:
            return Data(self._pieces.pop(0))
        if body.error is not None:
            raise body.error
        if body.done:
            self._body = None
            return EndOfMessage()
        return NEED_DATA

    def _no_head(self) -> ConnectionClosed | Wait:
        if not self._eof:
            return NEED_DATA
        if self._buffer:
            raise RemoteProtocolError("The connection ended within a head.")
        return ConnectionClosed()


class ServerConnection(_Reader):
    """A server's side: reads requests, writes responses."""

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits or Limits())
        self._requests = RequestReader(self.limits)
        self._request: RequestHead | None = None
        self._read = True  # the current request has been read to its end
        self._writer: _Writer | None = None
        self._last = False

    def next_event(self) -> RequestHead | Data | EndOfMessage | ConnectionClosed | Wait:
        """Return what came next. Raises `RemoteProtocolError`, with the status to answer."""
        return self._once_wrong_always_wrong(self._next)

    def _next(self) -> RequestHead | Data | EndOfMessage | ConnectionClosed | Wait:
        if self._body is not None:
            event = self._content(self._body)
            self._read = isinstance(event, EndOfMessage)
            return event
        if self._request is not None:
            return PAUSED
        if self._last:
            return ConnectionClosed()
        data = self._head()
        if data is None:
            return self._no_head()
        head = self._requests.read(data)
        self._request, self._read, self._last = head, not head.has_body, head.close
        self._body = ChunkedReader(self.limits) if head.fields.chunked else LengthReader(head.fields.length or 0)
        return head

    def send(self, event: ResponseHead | Data | EndOfMessage) -> bytes:
        """Return the octets of an event; raises `LocalProtocolError` where it has no place."""
        if isinstance(event, ResponseHead):
            if self._writer is not None:
                raise LocalProtocolError("A response is under way.")
            method = self._request.method if self._request else b"GET"
            if event.status < 200:
                return event.forward + b"\r\n"
            self._writer = _Writer(event, method, minor=self._request.minor if self._request else 1)
            self._last = self._last or self._writer.closes or not self._read
            return self._writer.head(close=self._last)
        if self._writer is None:
            raise LocalProtocolError("There is no response under way.")
        if isinstance(event, Data):
            return self._writer.data(event.data)
        octets = self._writer.end()
        self._writer = self._request = None
        return octets


class _Writer:
    """One response's octets (RFC 9112 §6)."""

    def __init__(self, head: ResponseHead, method: bytes, *, minor: int) -> None:
        framing = head.framing(method)
        self._head = head
        self._left = framing
        self._chunked = framing is None or framing < 0
        self.closes = False
        if self._chunked and minor == 0:
            self._chunked, self.closes, self._left = False, True, None

    def head(self, *, close: bool) -> bytes:
        framing = b"Transfer-Encoding: chunked\r\n" if self._chunked else b""
        return self._head.forward + framing + (b"Connection: close\r\n\r\n" if close else b"\r\n")

    def data(self, data: bytes) -> bytes:
        if self._chunked:
            return chunk(data) if data else b""
        if self._left is not None:
            if len(data) > self._left:
                raise LocalProtocolError("The body is longer than its Content-Length.")
            self._left -= len(data)
        return data

    def end(self) -> bytes:
        if self._chunked:
            return LAST_CHUNK
        if self._left:
            raise LocalProtocolError("The body is shorter than its Content-Length.")
        return b""


class ClientConnection(_Reader):
    """A client's side, for one request after the other without a body: what health checks need."""

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits or Limits())
        self._method = b""

    def request(self, method: bytes, target: bytes, host: bytes, fields: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
        """Return a request's octets."""
        if self._method:
            raise LocalProtocolError("The answer before this one is not complete.")
        lines = b"".join(b"%b: %b\r\n" % pair for pair in fields)
        octets = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, target, host, lines)
        try:
            head = request_head(octets, self.limits)
        except RemoteProtocolError as error:
            raise LocalProtocolError(error.reason) from error
        if head.has_body or octets.count(b"\r\n") != len(fields) + 3:
            raise LocalProtocolError("That would be more than one request.")
        self._method = method
        return octets

    def next_event(self) -> ResponseHead | Data | EndOfMessage | ConnectionClosed | Wait:
        """Return what came next; heads of 1xx answers are skipped. Raises `RemoteProtocolError`."""
        return self._once_wrong_always_wrong(self._next)

    def _next(self) -> ResponseHead | Data | EndOfMessage | ConnectionClosed | Wait:
        if self._body is not None:
            event = self._content(self._body)
            if isinstance(event, EndOfMessage):
                self._method = b""
            return event
        while (data := self._head()) is not None:
            if not self._method:
                raise RemoteProtocolError("An answer came without a question.", 502)
            head = response_head(data, self.limits)
            if head.status < 200 and head.status != 101:
                continue
            self._body = _body(head.framing(self._method), self.limits)
            return head
        return self._no_head()


def _body(framing: int | None, limits: Limits) -> BodyReader:
    if framing is None:
        return UntilCloseReader()
    return ChunkedReader(limits) if framing < 0 else LengthReader(framing)


def simple_response(status: int, fields: tuple[tuple[bytes, bytes], ...], length: int) -> ResponseHead:
    """Make the head of an answer of our own."""
    lines = b"".join(b"%b: %b\r\n" % pair for pair in fields)
    forward = b"%b%bContent-Length: %d\r\n" % (status_line(status), lines, length)
    return response_head(forward + b"\r\n", Limits())
