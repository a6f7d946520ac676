"""The access log: entries are kept in memory for at most a second, then written in one go; files are bounded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from serai.services.edge.exchange import Exchange

BATCH = 512  # entries that are written at once


class Entry(msgspec.Struct, gc=False):
    """One request and its answer. The query is left out: it may hold what only the program should know."""

    time: float  # when it came: seconds since the epoch
    seconds: float  # from the end of the request's head to the answer's last octet
    status: int
    method: str
    host: str
    path: str
    tenant: str
    app: str
    release: int
    instance: str
    peer: str
    id: str
    received: int  # octets of the body that the client sent
    sent: int  # octets of the answer, head included


def entry_of(exchange: Exchange, seconds: float) -> Entry:
    """Make the entry of an exchange that is over; where its head was not understood, little is known."""
    head = exchange.head if exchange.path else None
    target = exchange.target
    route = target.route if target is not None else None
    return Entry(
        exchange.started + exchange.edge.wall,
        seconds,
        exchange.status,
        head.method.decode() if head is not None else "",
        head.fields.host if head is not None else "",
        exchange.path.decode(),
        route.tenant if route is not None else "",
        route.app if route is not None else "",
        route.release if route is not None else 0,
        exchange.pool.name if exchange.pool is not None else "",
        exchange.peer,
        exchange.request_id.decode(),
        exchange.received,
        exchange.sent,
    )


class AccessLog:
    """Append entries to ``path``; at ``limit`` octets put it aside as ``path.1``, of which ``files`` - 1 are kept."""

    def __init__(self, path: Path, *, limit: int, files: int) -> None:
        self._path = path
        self._limit = limit
        self._files = files
        self._fd = -1
        self._size = 0
        self._encoder = msgspec.json.Encoder()
        self._entries: list[Entry] = []
        self.lost = 0  # entries that could not be written

    def open(self) -> None:
        """Open the file; raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._reopen()

    def append(self, entry: Entry) -> None:
        """Keep an entry until the next flush."""
        entries = self._entries
        entries.append(entry)
        if len(entries) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is kept. A full disk costs entries, never requests."""
        if not self._entries:
            return
        lines = self._encoder.encode_lines(self._entries)
        count = len(self._entries)
        self._entries.clear()
        try:
            if self._fd < 0:
                self._reopen()  # the rotation before found no room
            if self._size + len(lines) > self._limit:
                self._rotate()
            written = os.write(self._fd, lines)
        except OSError:
            self.lost += count
            return
        self._size += written
        if written < len(lines):
            self.lost += lines.count(b"\n", written)

    def close(self) -> None:
        """Write the rest and close; safe to call twice."""
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _reopen(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        for number in range(self._files - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
            if newer.exists():
                newer.replace(older)
        if self._files == 1:
            self._path.unlink(missing_ok=True)
        self._reopen()
