"""Native errors to codes."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from serai.errors import ExhaustedError, InternalError, InvalidError, SeraiError, UnavailableError

#: Octets that a file system must have free for a write error to mean something else than «full».
_FULL_BELOW = 1 << 20

_BROKEN = {
    sqlite3.SQLITE_IOERR: "can't be read or written",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is not a database",
    sqlite3.SQLITE_CANTOPEN: "can't be opened",
    sqlite3.SQLITE_READONLY: "may not be written",
    sqlite3.SQLITE_PERM: "may not be opened",
    sqlite3.SQLITE_AUTH: "may not be opened",
    sqlite3.SQLITE_PROTOCOL: "can't be locked",
    sqlite3.SQLITE_NOLFS: "is too large for its file system",
}


def translate(error: sqlite3.Error | OSError, path: Path) -> SeraiError:
    """Return the coded error for a native one."""
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return ExhaustedError(f"the disk of the store {path} is full")
        return UnavailableError(f"the store {path} can't be opened: {error.strerror}", temporary=False)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return UnavailableError(f"the store {path} is locked by another process", temporary=True)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return ExhaustedError(f"the disk of the store {path} is full")
    if code == sqlite3.SQLITE_NOMEM:
        return ExhaustedError("there is no memory left for the store")
    if code == sqlite3.SQLITE_TOOBIG:
        return InvalidError("a value is too large for the store", path="")
    if code in _BROKEN:
        return UnavailableError(f"the store {path} {_BROKEN[code]}: {error}", temporary=False)
    return InternalError(f"the store refused a statement: {error}")


def is_broken(error: sqlite3.Error) -> bool:
    """Tell whether a connection that raised this has to be made anew."""
    return (getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF) in _BROKEN


def _is_full(path: Path) -> bool:
    try:
        room = os.statvfs(path.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _FULL_BELOW or room.f_favail == 0
