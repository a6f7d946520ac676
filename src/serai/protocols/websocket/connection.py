"""A server's side of a connection after its handshake: from octets to messages."""

from __future__ import annotations

import codecs
import struct

import msgspec

from serai.protocols.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameError,
    close_frame,
    read_frame,
)

#: Codes that a close frame may carry (section 7.4.1 and the registry of section 11.7); besides 3000 to 4999.
_CODES = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
MAX_FRAGMENTS = 1024  # frames of one message, so that empty ones can't go on for ever


class Message(msgspec.Struct, frozen=True):
    """A whole message; a text's octets are valid UTF-8."""

    data: bytes
    text: bool


class Ping(msgspec.Struct, frozen=True):
    """The client wants a pong with the same octets."""

    payload: bytes


class Pong(msgspec.Struct, frozen=True):
    """The client answers a ping, or just says that it lives."""

    payload: bytes


class Closed(msgspec.Struct, frozen=True):
    """It is over: send ``reply``, and close (section 7). ``code`` is the client's, or what it did wrong."""

    code: int
    reason: str
    reply: bytes


Event = Message | Ping | Pong | Closed


class Connection:
    """Read what a client sends. ``limit``: octets of one message."""

    __slots__ = ("_buffer", "_fragments", "_limit", "_opcode", "_parts", "_size", "_utf8", "closed")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._opcode = CONTINUATION  # of the message that has begun; CONTINUATION for none
        self._parts: list[bytes] = []
        self._size = self._fragments = 0
        self._utf8: codecs.IncrementalDecoder | None = None
        self.closed = False

    def receive_data(self, data: bytes) -> list[Event]:
        """Return what is complete now, in order; nothing after `Closed`.

        At most one frame that is not whole, and one message, is held: twice ``limit`` and a few octets.
        """
        events: list[Event] = []
        if self.closed:
            return events
        self._buffer += data
        try:
            while not self.closed:
                found = read_frame(self._buffer, self._limit - self._size)
                if found is None:
                    break
                frame, length = found
                del self._buffer[:length]
                event = self._take(frame)
                if event is not None:
                    events.append(event)
        except FrameError as error:
            events.append(self._close(error.code, error.reason, error.code))
        return events

    def _take(self, frame: Frame) -> Event | None:
        if frame.opcode == PING:
            return Ping(frame.payload)
        if frame.opcode == PONG:
            return Pong(frame.payload)
        if frame.opcode == CLOSE:
            return self._closing(frame.payload)
        return self._data(frame)

    def _data(self, frame: Frame) -> Message | None:
        """Put fragments together (section 5.4)."""
        if frame.opcode in {TEXT, BINARY}:
            if self._opcode != CONTINUATION:
                raise FrameError(1002, "A message begins before the last one has ended.")
            self._opcode = frame.opcode
            self._utf8 = codecs.getincrementaldecoder("utf-8")() if frame.opcode == TEXT else None
        elif self._opcode == CONTINUATION:
            raise FrameError(1002, "There is no message to be continued.")
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            raise FrameError(1009, f"A message has at most {MAX_FRAGMENTS} frames.")
        if self._utf8 is not None:
            try:  # section 8.1: as soon as it is known to be wrong, not only at its end
                self._utf8.decode(frame.payload, frame.final)
            except UnicodeDecodeError:
                raise FrameError(1007, "A text is not UTF-8.") from None
        self._parts.append(frame.payload)
        self._size += len(frame.payload)
        if not frame.final:
            return None
        message = Message(b"".join(self._parts), self._opcode == TEXT)
        self._opcode, self._parts, self._size, self._fragments, self._utf8 = CONTINUATION, [], 0, 0, None
        return message

    def _closing(self, payload: bytes) -> Closed:
        """Answer a close frame with one that carries the same code (section 5.5.1)."""
        if not payload:
            return self._close(1005, "", 1000)  # section 7.1.5: no code was given
        if len(payload) == 1:
            raise FrameError(1002, "A close frame has a code of two octets.")
        (code,) = struct.unpack_from("!H", payload)
        if code not in _CODES and not 3000 <= code <= 4999:
            raise FrameError(1002, "There is no such code.")
        try:
            reason = payload[2:].decode()
        except UnicodeDecodeError:
            raise FrameError(1007, "A reason is not UTF-8.") from None
        return self._close(code, reason, code)

    def _close(self, code: int, reason: str, told: int) -> Closed:
        self.closed = True
        self._buffer.clear()
        self._parts.clear()
        return Closed(code, reason, close_frame(told, reason if told != code or told >= 1002 else ""))
