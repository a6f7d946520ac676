"""Frames (RFC 6455 section 5.2): what a client sent, and what a server sends."""

from __future__ import annotations

import struct

import msgspec

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_KNOWN = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
MAX_CONTROL = 125  # octets: section 5.5


class FrameError(Exception):
    """The client broke the protocol; ``code`` is what it is told (section 7.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A frame with its payload unmasked."""

    final: bool
    opcode: int
    payload: bytes


def read_frame(buffer: bytearray, limit: int) -> tuple[Frame, int] | None:
    """Return the first frame of a client's octets and its length, or None while it is not whole.

    Raises `FrameError` as soon as the head says what can't be: also of a payload of more than ``limit`` octets.
    """
    if len(buffer) < 2:
        return None
    first, second = buffer[0], buffer[1]
    final, opcode, size = first >= 0x80, first & 0x0F, second & 0x7F
    if first & 0x70:
        raise FrameError(1002, "Reserved bits are set, and no extension was agreed.")
    if opcode not in _KNOWN:
        raise FrameError(1002, "There is no such opcode.")
    if second < 0x80:  # section 5.1: a server MUST close upon a frame that is not masked
        raise FrameError(1002, "A client's frames are masked.")
    if opcode >= CLOSE and (size > MAX_CONTROL or not final):  # section 5.5
        raise FrameError(1002, "A control frame is short and whole.")
    at = 2
    if size >= 126:
        form, least = ("!H", 126) if size == 126 else ("!Q", 65536)
        at += struct.calcsize(form)
        if len(buffer) < at:
            return None
        (size,) = struct.unpack_from(form, buffer, 2)
        if size < least or size >> 63:  # section 5.2: the minimal number of octets, the highest bit 0
            raise FrameError(1002, "A length is not written in its shortest form.")
    if opcode < CLOSE and size > limit:
        raise FrameError(1009, "A message is too long.")
    end = at + 4 + size
    if len(buffer) < end:
        return None
    return Frame(final, opcode, unmask(bytes(buffer[at + 4 : end]), bytes(buffer[at : at + 4]))), end


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Apply a mask (section 5.3), which is its own inverse; as one number, which is much quicker than by octets."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def _frame(opcode: int, payload: bytes) -> bytes:
    """Return a frame of a server's: final, and not masked."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def text_frame(text: bytes) -> bytes:
    """Return a message of text, which is UTF-8 already."""
    return _frame(TEXT, text)


def ping_frame(payload: bytes = b"") -> bytes:
    """Return a ping."""
    return _frame(PING, payload[:MAX_CONTROL])


def pong_frame(payload: bytes) -> bytes:
    """Return the answer to a ping: the same octets (section 5.5.3)."""
    return _frame(PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame (section 5.5.1); what of the reason does not fit is left out, by whole characters."""
    text = reason.encode()[: MAX_CONTROL - 2].decode(errors="ignore").encode()
    return _frame(CLOSE, struct.pack("!H", code) + text)
