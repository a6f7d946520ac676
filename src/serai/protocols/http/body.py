"""Bodies (RFC 9112 §6, §7): readers that take octets as they come and say where the body ends."""

from __future__ import annotations

from typing import Protocol

from serai.protocols.http.errors import RemoteProtocolError
from serai.protocols.http.fields import FieldLines
from serai.protocols.http.grammar import BARE, CHUNK_LINE
from serai.protocols.http.limits import Limits


class BodyReader(Protocol):
    """Take a body apart. ``done``: its last octet was seen. ``error``: what broke it, all before it was delivered."""

    done: bool
    error: RemoteProtocolError | None

    def receive(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return pieces of content, and the octets that follow the body."""
        ...

    def eof(self) -> None:
        """Take note that nothing more comes: it ends this body, or breaks it."""
        ...


class LengthReader:
    """A body of a known number of octets (RFC 9112 §6.2)."""

    __slots__ = ("_left", "done", "error")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.error: RemoteProtocolError | None = None

    def receive(self, data: bytes) -> tuple[list[bytes], bytes]:
        """See `BodyReader`."""
        size = len(data)
        if size < self._left:
            self._left -= size
            return [data] if data else [], b""
        left, self._left, self.done = self._left, 0, True
        if size == left:
            return [data] if data else [], b""
        return [data[:left]] if left else [], data[left:]

    def eof(self) -> None:
        """See `BodyReader`."""
        if not self.done:
            self.error = RemoteProtocolError("The body ended early.")


class UntilCloseReader:
    """A response body that ends with its connection (RFC 9112 §6.3 rule 8)."""

    __slots__ = ("done", "error")

    def __init__(self) -> None:
        self.done = False
        self.error: RemoteProtocolError | None = None

    def receive(self, data: bytes) -> tuple[list[bytes], bytes]:
        """See `BodyReader`."""
        return [data] if data else [], b""

    def eof(self) -> None:
        """See `BodyReader`."""
        self.done = True


class ChunkedReader:
    """A chunked body (RFC 9112 §7.1), read strictly. Extensions and trailer fields are read past, within limits."""

    __slots__ = ("_extra", "_left", "_limits", "_part", "_rest", "_state", "done", "error")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._state = self._size
        self._rest = b""  # a line of which the end has not come
        self._left = 0  # octets of the current chunk that have not come
        self._extra = 0  # octets of extensions so far
        self._part: list[bytes] = []
        self.done = False
        self.error: RemoteProtocolError | None = None

    def receive(self, data: bytes) -> tuple[list[bytes], bytes]:
        """See `BodyReader`."""
        if self.error is not None:
            return [], b""
        data = self._rest + data
        self._part = []
        at = 0
        try:
            while at < len(data) and not self.done:
                step = self._state(data, at)
                if step == at:
                    break
                at = step
        except RemoteProtocolError as error:
            self.error = error
            return self._part, b""
        if self.done:
            self._rest = b""
            return self._part, data[at:]
        self._rest = data[at:]
        return self._part, b""

    def eof(self) -> None:
        """See `BodyReader`."""
        if not self.done and self.error is None:
            self.error = RemoteProtocolError("The body ended early.")

    def _size(self, data: bytes, at: int) -> int:
        limit = self._limits.chunk_line
        end = _line_end(data, at, limit, "A chunk's size line is too long.")
        if end < 0:
            return at
        match = CHUNK_LINE.match(data[at:end])
        if match is None:
            raise RemoteProtocolError("A chunk's size is malformed.")
        self._extra += len(match[2])
        if self._extra > self._limits.chunk_extra:
            raise RemoteProtocolError("There are too many chunk extensions.")
        self._left = int(match[1], 16)
        self._state = self._content if self._left else self._trailers
        return end + 2

    def _content(self, data: bytes, at: int) -> int:
        piece = data[at : at + self._left]
        self._part.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._state = self._chunk_end
        return at + len(piece)

    def _chunk_end(self, data: bytes, at: int) -> int:
        mark = data[at : at + 2]
        if mark == b"\r\n":
            self._state = self._size
            return at + 2
        if mark != b"\r":
            raise RemoteProtocolError("A chunk is longer than its size says.")
        return at

    def _trailers(self, data: bytes, at: int) -> int:
        """Read past the trailer section; only the bound on it is kept between calls, as the unread part itself."""
        if data.startswith(b"\r\n", at):
            self.done = True
            return at + 2
        limit = self._limits.trailers
        end = data.find(b"\r\n\r\n", at, at + limit + 4)
        seen = min(end + 4 if end >= 0 else len(data), at + limit + 1)
        if BARE.search(data, at, seen - 1 if end < 0 and data[seen - 1 : seen] == b"\r" else seen):
            raise RemoteProtocolError("A line of the trailer does not end in CRLF.")
        if end < 0:
            if len(data) - at > limit:
                raise RemoteProtocolError("The trailer is too large.")
            return at
        FieldLines(frozenset(), frozenset()).read(data[at : end + 2], self._limits)
        self.done = True
        return end + 4


def _line_end(data: bytes, at: int, limit: int, reason: str) -> int:
    """Return where the line's CRLF is, -1 while it has not come."""
    end = data.find(b"\r\n", at, at + limit + 2)
    seen = end + 2 if end >= 0 else min(len(data), at + limit + 2)
    bare = BARE.search(data, at, seen - 1 if end < 0 and data[seen - 1 : seen] == b"\r" else seen)
    if bare is not None:
        raise RemoteProtocolError("A line of the body does not end in CRLF.")
    if end < 0 and len(data) - at > limit + 1:
        raise RemoteProtocolError(reason)
    return end


def chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk; it must not be empty, for that would be the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
