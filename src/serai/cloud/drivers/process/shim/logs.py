"""A workload's output as bounded files, in the container runtimes' log format.

A line is ``TIME stdout|stderr F|P TEXT``: P for a part of a line longer than `LINE`, F for its end. Two files are
kept, ``log`` and the older ``log.1``, each of half the limit, so a reader never loses more than half.
"""

from __future__ import annotations

import os
import time

LINE = 16 << 10  # octets of text in one record
RATE = 8 << 20  # octets a second taken from a workload; a faster one is made to wait
NEW = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class Log:
    """Write records to ``log`` in the folder behind ``folder`` (a descriptor), at most ``limit`` octets in all."""

    def __init__(self, folder: int, limit: int) -> None:
        self._folder = folder
        self._half = max(limit // 2, 2 * LINE)
        self._pending = {b"stdout": b"", b"stderr": b""}
        self._fd = os.open("log", NEW, 0o640, dir_fd=folder)
        self._size = os.fstat(self._fd).st_size
        self._second, self._taken = 0, 0

    def wait(self) -> bool:
        """Tell whether this second's share of octets is used up."""
        return self._taken >= RATE and self._second == int(time.time())

    def write(self, stream: bytes, data: bytes) -> None:
        """Append what a workload wrote to ``stream``; an end of line need not be in it."""
        now = time.time_ns()
        second, rest = divmod(now, 1_000_000_000)
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += len(data)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + ".%06dZ " % (rest // 1000)  # noqa: UP031
        head = stamp.encode() + stream
        *lines, pending = (self._pending[stream] + data).split(b"\n")
        records = []
        for line in lines:
            parts = [line[at : at + LINE] for at in range(0, len(line), LINE)] or [b""]
            records += [head + b" P " + part + b"\n" for part in parts[:-1]]
            records.append(head + b" F " + parts[-1] + b"\n")
        while len(pending) >= LINE:
            records.append(head + b" P " + pending[:LINE] + b"\n")
            pending = pending[LINE:]
        self._pending[stream] = pending
        self._append(records)

    def close(self) -> None:
        """Write what had no end of line yet."""
        for stream, pending in self._pending.items():
            if pending:
                self.write(stream, b"\n")
        os.close(self._fd)

    def tail(self) -> bytes:
        """Return the newest 4 KiB."""
        fd = os.open("log", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._folder)
        try:
            return os.pread(fd, 4096, max(0, self._size - 4096))
        finally:
            os.close(fd)

    def _append(self, records: list[bytes]) -> None:
        data = b"".join(records)
        while data:
            if self._size + len(data) > self._half and self._size:
                self._rotate()
            # A chunk is at most a pipe's 64 KiB of text; with many empty lines the records can still outgrow a file.
            end = len(data) if len(data) <= self._half else data.rfind(b"\n", 0, self._half) + 1
            try:
                self._size += os.write(self._fd, data[:end])
            except OSError:  # a full disk costs lines, never the workload
                return
            data = data[end:]

    def _rotate(self) -> None:
        os.rename("log", "log.1", src_dir_fd=self._folder, dst_dir_fd=self._folder)
        os.close(self._fd)
        self._fd = os.open("log", NEW, 0o640, dir_fd=self._folder)
        self._size = 0
