"""The socket to the bot, and what both kinds of work have in common."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any

MAX_RESULT = 1 << 20  # octets


class UnknownError(Exception):
    """The release has nothing of that name."""


class Bot:
    """The socket to the bot; frames may be sent by any thread."""

    def __init__(self, path: str) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(path)
        self._sock = socket.socket(fileno=high(sock.detach()))
        self._lock = threading.Lock()

    def greet(self) -> int:
        """Return the descriptor for output that comes with the first frame."""
        data, ancillary, _, _ = self._sock.recvmsg(4, socket.CMSG_SPACE(4))
        if len(data) != 4 or not ancillary:
            raise SystemExit("the bot does not speak")
        self._exactly(int.from_bytes(data, "big"))
        return int.from_bytes(ancillary[0][2][:4], sys.byteorder)

    def receive(self) -> dict[str, Any] | None:
        """Return the next frame, None when the bot is gone."""
        head = self._exactly(4)
        body = self._exactly(int.from_bytes(head, "big")) if head else b""
        return json.loads(body) if body else None

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a frame."""
        data = json.dumps(message).encode()
        with self._lock:
            self._sock.sendall(len(data).to_bytes(4, "big") + data)

    def _exactly(self, length: int) -> bytes:
        parts = []
        while length:
            part = self._sock.recv(min(length, 1 << 16))
            if not part:
                return b""
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


def high(fd: int) -> int:
    """Move a descriptor away from the low numbers: commands expect one of them."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(fd)
    return moved


def result(value: Any) -> dict[str, Any]:
    """Return the answer for what a task returned: JSON, bounded."""
    try:
        size = len(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        return {"error": {"code": "invalid", "public": f"Its result is not JSON: {error}."}}
    if size > MAX_RESULT:
        return {"error": {"code": "invalid", "public": f"Its result is larger than {MAX_RESULT} octets."}}
    return {"result": value}
