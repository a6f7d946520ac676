"""What each task of the benchmark does, whoever runs it: count itself, nap, or tell when it began.

Counters are files of eight octets, one for each process, in the folder BENCH_DIR.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

_FOLDER = Path(os.environ.get("BENCH_DIR", "."))
_NUMBER = struct.Struct("<q")
_counters: dict[int, mmap.mmap] = {}


def _counter() -> mmap.mmap:
    pid = os.getpid()
    if pid not in _counters:
        with (_FOLDER / f"count-{pid}").open("w+b") as file:
            file.truncate(8)
            _counters[pid] = mmap.mmap(file.fileno(), 8)
    return _counters[pid]


def noop() -> None:
    """Count."""
    counter = _counter()
    _NUMBER.pack_into(counter, 0, _NUMBER.unpack_from(counter)[0] + 1)


def nap() -> None:
    """Take a millisecond."""
    time.sleep(0.001)
    noop()


def stamp(number: int) -> None:
    """Tell when it began."""
    now = time.monotonic()
    with (_FOLDER / "stamps").open("ab", buffering=0) as file:
        file.write(f"{number} {now}\n".encode())


def counted(folder: Path) -> int:
    """Return how many were counted by all processes."""
    return sum(_NUMBER.unpack(file.read_bytes())[0] for file in folder.glob("count-*") if file.stat().st_size)
