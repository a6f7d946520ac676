"""What goes between a bot and a function's process: MessagePack in frames, four octets of length before each."""

from __future__ import annotations

import socket
import struct

import msgspec

from serai.store.tasks import Task

#: Octets of one frame: a thousand lines of log, or a result of 1 MiB, and some.
MAX_FRAME = 8 << 20
LENGTH = struct.Struct(">I")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell needs to run a function; ``memory`` in octets, ``path`` is the importer's."""

    task: Task
    function: str
    memory: int
    path: list[str]
    resources: dict[str, str]


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a cell tells: lines and progress at any time, and last of all one way in which the function ended."""

    lines: list[str] = []
    progress: tuple[float, str] | None = None
    done: bytes | None = None  # the result's MessagePack
    failed: dict[str, str] | None = None
    canceled: bool = False


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Tell a cell that its function should stop."""


def pack(value: msgspec.Struct) -> bytes:
    """Return a frame."""
    payload = msgspec.msgpack.encode(value)
    return LENGTH.pack(len(payload)) + payload


def receive(sock: socket.socket) -> bytes | None:
    """Read one frame from a blocking socket; None at its end."""
    head = _exactly(sock, LENGTH.size)
    if head is None:
        return None
    (length,) = LENGTH.unpack(head)
    return _exactly(sock, length) if length <= MAX_FRAME else None


def _exactly(sock: socket.socket, count: int) -> bytes | None:
    parts = []
    while count:
        part = sock.recv(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
