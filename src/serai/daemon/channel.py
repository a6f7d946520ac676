"""Messages between supervisor and worker: JSON over a pair of sockets that keeps the borders of packets.

A message is cut into packets, each preceded by one octet: 1 where more follows, 0 at the end. Packets survive the
supervisor's exec whole, since nothing but the kernel buffers what was not read yet.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

PACKET = 32 * 1024  # octets
MAX_MESSAGE = 16 << 20  # octets
_MORE, _LAST = b"\x01", b"\x00"

Message = dict[str, Any]


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected, non-blocking sockets."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one.setblocking(False)
    other.setblocking(False)
    return one, other


class Channel:
    """One end. ``received`` is called for each message, ``closed`` once when the other end is gone."""

    def __init__(self, sock: socket.socket, received: Callable[[Message], None], closed: Callable[[], None]) -> None:
        self.sock = sock
        self._received = received
        self._closed = closed
        self._parts: list[bytes] = []
        self._size = 0
        self._waiting: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._loop.add_reader(sock.fileno(), self._readable)

    def send(self, message: Message) -> None:
        """Send without waiting; what the kernel does not take yet is kept. Silent where the other end is gone."""
        if not self._open:
            return
        data = msgspec.json.encode(message, enc_hook=str)
        for start in range(0, len(data), PACKET):
            mark = _LAST if start + PACKET >= len(data) else _MORE
            self._waiting.append(mark + data[start : start + PACKET])
        self._flush()

    def close(self) -> None:
        """Stop and close the socket; ``closed`` is not called. Safe to call twice."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self.sock.fileno())
            self._loop.remove_writer(self.sock.fileno())
        self.sock.close()

    def _flush(self) -> None:
        while self._waiting:
            try:
                self.sock.send(self._waiting[0])
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self.sock.fileno(), self._flush)
                return
            except OSError:  # the reader learns of it, too, and tells
                self._waiting.clear()
                break
            self._waiting.popleft()
        self._loop.remove_writer(self.sock.fileno())

    def _readable(self) -> None:
        while self._open:
            try:
                packet = self.sock.recv(PACKET + 1)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                packet = b""
            if not packet:
                self.close()
                self._closed()
                return
            self._take(packet)

    def _take(self, packet: bytes) -> None:
        self._parts.append(packet[1:])
        self._size += len(packet) - 1
        if packet[:1] == _MORE and self._size <= MAX_MESSAGE:
            return
        data = b"".join(self._parts)
        self._parts, self._size = [], 0
        try:
            message = msgspec.json.decode(data, type=Message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # the tail of a message whose head an earlier incarnation read
        self._received(message)
