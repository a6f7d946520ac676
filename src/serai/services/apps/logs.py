"""What an app's programs wrote: where it is kept, its tail, and what is added to it.

A running instance's log is the driver's (``log`` and the older ``log.1``, bounded). When a workload is taken away, the
end of its log goes to ``data/apps/TENANT/APP/logs/INSTANCE.log``, so that a crash can still be read after the restart.
Only the agent may read them all: it answers ``apps.logs`` on the bus, statelessly (`serai.services.apps.log_stream`
asks it). All functions block.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

#: Octets kept of each instance's earlier runs (twice that, while two files are kept), and copied from one run.
KEPT = 2 << 20
CHUNK = 1 << 16  # octets read of one source at a time
MAX_SOURCES = 8  # read by one call, so that its answer is a message of the bus
MAX_LINES = 1000
#: Logs of so many instances that are gone are kept per app.
MAX_FILES = 200
SUBJECT = "apps.logs"
#: Ends the name of what an instance that runs wrote in its earlier runs.
BEFORE = ":before"


class Source(msgspec.Struct, frozen=True):
    """A log of an instance or a build: its name, and its file; what is older is in ``FILE.1``."""

    name: str
    file: Path

    @property
    def older(self) -> Path:
        """The file that was rotated away last."""
        return self.file.with_name(self.file.name + ".1")


class Cursor(msgspec.Struct, frozen=True):
    """How far a source was read: up to an offset in the file with that inode number."""

    inode: int
    offset: int


class Piece(msgspec.Struct, frozen=True):
    """Whole lines of one source, and where they end."""

    name: str
    lines: tuple[str, ...]
    cursor: Cursor


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent is asked: an app, one of its sources ("" for all), how far each was read.

    Of lines, those that hold the text ``find`` in any case, and were written ``since`` a time as lines begin with it.
    """

    tenant: str
    app: str
    name: str = ""
    lines: int = 100
    find: str = ""
    since: str = ""
    cursors: dict[str, Cursor] = {}

    def takes(self, line: str) -> bool:
        """Tell whether a line is asked for."""
        return line >= self.since and (not self.find or self.find.casefold() in line.casefold())


def keep(log: Path, archive: Path) -> None:
    """Append the end of a log to its archive and bound that. A log that is not there is nothing to keep.

    A full disk costs lines, and nothing else: what has ended must be taken away also then.
    """
    with contextlib.suppress(OSError):
        _keep(log, archive)


def _keep(log: Path, archive: Path) -> None:
    data = b"".join(_end(path, KEPT) for path in (log.with_name(log.name + ".1"), log))[-KEPT:]
    if not data:
        return
    archive.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if archive.exists() and archive.stat().st_size + len(data) > KEPT:
        archive.replace(archive.with_name(archive.name + ".1"))
    with archive.open("ab") as file:
        file.write(data)
    files = sorted(archive.parent.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[MAX_FILES:]:
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".1").unlink(missing_ok=True)


def _everything(_line: str) -> bool:
    return True


def tail(source: Source, lines: int, takes: Callable[[str], bool] = _everything) -> Piece:
    """Return the last lines of those that it ``takes``; at most `KEPT` octets are looked at."""
    newest = _end(source.file, KEPT)
    whole, _, rest = newest.rpartition(b"\n")
    data = newest[: len(whole) + 1] if b"\n" in newest else b""
    shown = _taken(data, lines, takes)
    if len(shown) < lines:
        shown = _taken(_end(source.older, KEPT - len(data)) + data, lines, takes)
    try:
        status = source.file.stat()
        cursor = Cursor(status.st_ino, max(0, status.st_size - len(rest)))
    except OSError:
        cursor = Cursor(0, 0)
    return Piece(source.name, tuple(shown), cursor)


def _taken(data: bytes, lines: int, takes: Callable[[str], bool]) -> list[str]:
    return [line for line in data.decode("utf-8", "replace").splitlines() if takes(line)][-lines:] if lines > 0 else []


def read(source: Source, cursor: Cursor) -> Piece:
    """Return the whole lines after a cursor, at most `CHUNK` octets, also across a rotation.

    What was rotated away twice meanwhile is lost; a line longer than `CHUNK` comes in parts.
    """
    for path in (source.older, source.file):
        piece = _read(source.name, path, cursor)
        if piece is not None and (piece.lines or path == source.file):
            return piece
    # The file is another one than that which was read: begin with it.
    try:
        return _read(source.name, source.file, Cursor(source.file.stat().st_ino, 0)) or Piece(source.name, (), cursor)
    except OSError:
        return Piece(source.name, (), cursor)


def _read(name: str, path: Path, cursor: Cursor) -> Piece | None:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino != cursor.inode or status.st_size < cursor.offset:
                # Another file; a smaller one of that number got it from one that was deleted.
                return None
            file.seek(cursor.offset)
            data = file.read(CHUNK)
    except OSError:
        return None
    end = data.rfind(b"\n") + 1 or (len(data) if len(data) == CHUNK else 0)
    lines = data[:end].decode("utf-8", "replace").splitlines()
    return Piece(name, tuple(lines), Cursor(cursor.inode, cursor.offset + end))


def answer(sources: Iterable[Source], ask: Ask) -> list[Piece]:
    """Return what is new in an app's sources: the tail of those that were not read yet."""
    pieces = []
    for source in sources:
        if ask.name and not source.name.startswith(ask.name):
            continue
        known = ask.cursors.get(source.name)
        if known is None:
            piece = tail(source, min(ask.lines, MAX_LINES), ask.takes)
        else:
            piece = read(source, known)
            piece = msgspec.structs.replace(piece, lines=tuple(line for line in piece.lines if ask.takes(line)))
        if piece.cursor != known:
            pieces.append(piece)
        if len(pieces) >= MAX_SOURCES:
            break
    return [_small(piece) for piece in pieces]


def _small(piece: Piece) -> Piece:
    """Shorten a piece to what a message of the bus has room for; the newest lines stay."""
    lines: list[str] = []
    room = CHUNK
    for line in reversed(piece.lines[-MAX_LINES:]):
        room -= len(line) + 1
        if room < 0 and lines:
            break
        lines.append(line[:CHUNK])
    return msgspec.structs.replace(piece, lines=tuple(reversed(lines)))


def archived(folder: Path) -> list[Source]:
    """Return the logs that are kept in a folder, the newest first."""
    try:
        files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return []
    return [Source(path.name.removesuffix(".log"), path) for path in files]


def _end(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size)
    except OSError:
        return b""
