"""run/supervisor.json: what a supervisor leaves for its successor, be that itself after an exec or a new one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from serai.daemon import linux
from serai.errors import AlreadyExistsError


class WorkerRecord(msgspec.Struct):
    """A worker; ``channel`` is the supervisor's descriptor of its channel, ``holds`` the "one" modules it serves."""

    pid: int
    ticks: int
    group: str
    index: int
    generation: int
    state: str
    channel: int = -1
    holds: list[str] = []


class SocketRecord(msgspec.Struct):
    """A listening socket: its number, the same in the supervisor and in workers forked since, and its own name."""

    fd: int
    name: str


class Record(msgspec.Struct):
    """A supervisor. ``lock``, ``control``, ``reply`` are descriptors that only an exec hands on."""

    pid: int
    ticks: int
    version: str
    generation: int = 0
    sockets: dict[str, list[SocketRecord]] = {}
    workers: list[WorkerRecord] = []
    restarts: dict[str, int] = {}
    lock: int = -1
    control: int = -1
    reply: int = -1


def read(path: Path) -> Record | None:
    """Return the record, or None where there is none that can be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write(path: Path, record: Record) -> None:
    """Replace the record in one step."""
    partial = path.with_suffix(".new")
    partial.write_bytes(msgspec.json.encode(record))
    partial.chmod(0o640)
    partial.rename(path)


def is_self(record: Record) -> bool:
    """Tell whether this very process wrote the record, before an exec."""
    return record.pid == os.getpid() and record.ticks == linux.start_ticks(record.pid)


def lock(path: Path) -> int:
    """Take the home's lock and return its descriptor; `AlreadyExistsError` where a supervisor has it.

    The kernel drops it when the last process that has the descriptor ends: workers close it first thing.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise AlreadyExistsError(f"A Serai host runs already at {path.parent.parent}.") from None
    return fd
