"""Structured logs: JSON lines in logs/serai.jsonl, readable lines on a terminal.

All processes append to one file, each line by a single write(2) with O_APPEND, so lines never mix. The supervisor
rotates by renaming; a writer notices that the path leads elsewhere and opens it again. Unprivileged workers can open
the file but not create one: the supervisor makes it first.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from serai.daemon.redact import redact
from serai.daemon.settings import LogSettings
from serai.errors import SeraiError

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
#: Octets; a longer line loses its fields, since only one write keeps lines of several processes apart.
MAX_LINE = 32 * 1024
Event = MutableMapping[str, Any]


class LogFile:
    """An append-only file that may be rotated under us."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._inode = 0
        self._looked = 0.0

    def write(self, line: bytes) -> None:
        """Append one line; a full disk loses it, never raises: logging must not take a service down."""
        try:
            os.write(self._current(), line)
        except OSError:
            return

    def _current(self) -> int:
        now = time.monotonic()
        if self._fd >= 0 and now - self._looked < 1.0:
            return self._fd
        self._looked = now
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = -1
        if self._fd < 0 or (inode not in {-1, self._inode}):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(self._path, flags)
            if self._fd >= 0:
                os.close(self._fd)
            self._fd, self._inode = fd, os.fstat(fd).st_ino
        return self._fd


def create(path: Path, group: int = -1) -> None:
    """Make the log file where it is missing, writable for the platform's group."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
    try:
        os.fchmod(fd, 0o660)
        os.fchown(fd, -1, group)
    finally:
        os.close(fd)


def rotate(path: Path, settings: LogSettings, group: int = -1) -> bool:
    """Rename the file where it is over its size, keep `LogSettings.files` old ones; tell whether it was."""
    try:
        if path.stat().st_size < settings.max_mib << 20:
            return False
    except FileNotFoundError:
        create(path, group)
        return False
    for number in range(settings.files, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if newer.exists():
            newer.rename(older)
    if settings.files == 0:
        path.unlink(missing_ok=True)
    create(path, group)
    return True


def configure(
    file: LogFile, level: str, *, terminal: bool, track: Callable[[Event], None] | None = None, **bound: Any
) -> structlog.stdlib.BoundLogger:
    """Return this process's logger; ``bound`` is said in every line, ``track`` sees errors before they are written."""
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if terminal else None

    def emit(_logger: Any, _method: str, event: Event) -> str:
        file.write(encode(event))
        if render is not None:
            sys.stderr.write(f"{render(None, '', dict(event))}\n")
        raise structlog.DropEvent

    def tracked(_logger: Any, _method: str, event: Event) -> Event:
        if track is not None and LEVELS.get(event.get("level", ""), 0) >= LEVELS["error"]:
            track(event)
        return event

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            tracked,
            _explain,
            structlog.processors.format_exc_info,
            _redacted,
            emit,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=False,
    )
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(**bound)
    return logger


def encode(event: Event) -> bytes:
    """Return an event as one JSON line of at most MAX_LINE octets."""
    line = msgspec.json.encode(event, enc_hook=str) + b"\n"
    if len(line) > MAX_LINE:
        kept = {key: event[key] for key in ("timestamp", "level", "event", "group", "pid") if key in event}
        line = msgspec.json.encode({**kept, "truncated": len(line)}, enc_hook=str) + b"\n"
    return line[:MAX_LINE]


def _explain(_logger: Any, _method: str, event: Event) -> Event:
    """Spell a `SeraiError` given as ``error=`` out in fields that a machine can read."""
    error = event.get("error")
    if isinstance(error, SeraiError):
        event["error"] = {"code": error.code, "public": error.public, "fields": error.fields}
    elif isinstance(error, BaseException):
        event["error"] = repr(error)
    return event


def _redacted(_logger: Any, _method: str, event: Event) -> Event:
    clean: Event = redact(event)
    return clean
