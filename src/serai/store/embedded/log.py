"""The log (WAL) that bots write to: synced by us after each commit, and emptied before it grows long."""

from __future__ import annotations

import os
import queue
import sqlite3
import struct
import threading
from pathlib import Path
from time import monotonic, sleep

#: Frames from which it is put into the file.
LONG = 1000
#: Milliseconds that emptying it waits for whoever writes or reads just then.
_PATIENCE = 10
#: Seconds between two syncs that nobody waits for.
_PAUSE = 0.002
#: Octets before the first frame, and before the page in each (https://sqlite.org/fileformat2.html#walformat).
_HEADER, _FRAME = 32, 24
#: Size of a page, a number that goes up, and two that are drawn anew whenever the log begins anew.
_BEGIN = struct.Struct(">8xII8s")
#: Number of the page, size of the file, and those two numbers again: other ones are of a frame that counts no more.
_ENTRY = struct.Struct(">8x8s")


class Log:
    """An open log. SQLite does not lock it, so that closing it takes nobody's lock away."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def again(self) -> Log:
        """Open the same file once more, whatever has its name by now."""
        return Log(Path(f"/proc/self/fd/{self._descriptor}"))

    def sync(self) -> None:
        """Make durable what was committed; raises `OSError`."""
        os.fdatasync(self._descriptor)

    @property
    def is_long(self) -> bool:
        """Tell whether it holds more than `LONG` frames; its length tells nothing, as frames are written anew."""
        head = os.pread(self._descriptor, _BEGIN.size, 0)
        if len(head) < _BEGIN.size:
            return False
        page, _, salts = _BEGIN.unpack(head)
        entry = os.pread(self._descriptor, _ENTRY.size, _HEADER + LONG * (_FRAME + page))
        return len(entry) == _ENTRY.size and _ENTRY.unpack(entry)[0] == salts

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


class Settler:
    """Sync a log on a thread of its own, while whoever wrote to it goes on; what comes close together at once.

    It has the file open for itself. Linux tells each open file by itself that something could not be written, at its
    next sync (fsync(2), since 4.13): so the sync of who waits for it fails, although this one had met the error before.
    """

    def __init__(self, log: Log) -> None:
        self.failed = False
        self._log = log.again()
        self._wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._since = 0.0  # when the first commit was made that the next sync is for; 0 where there is none
        self._begun = 0.0  # the same of the sync that is under way
        self._thread = threading.Thread(target=self._main, name="store-settler", daemon=True)
        self._thread.start()

    @property
    def behind(self) -> float:
        """Return the seconds for which the oldest commit has not been durable."""
        oldest = self._begun or self._since
        return monotonic() - oldest if oldest else 0.0

    def begin(self) -> None:
        """Sync soon what is there now."""
        if not self._since:
            self._since = monotonic()
            self._wanted.put(True)

    def close(self) -> None:
        """Finish what was begun, and end."""
        self._wanted.put(False)
        self._thread.join()
        self._log.close()

    def _main(self) -> None:
        while self._wanted.get():
            self._begun = self._since
            self._since = 0.0  # what is committed from here on asks again; what was before is synced now
            try:
                self._log.sync()
            except OSError:
                self.failed = True
            self._begun = 0.0
            sleep(_PAUSE)


def empty(connection: sqlite3.Connection) -> bool:
    """Put the log into the file and let it begin anew; return whether that could be done.

    SQLite by itself does as much as it can beside others that write, after each commit to a long log: so it hardly gets
    to the end while two bots are busy, and goes on to sync log and file for a part of it each time.
    """
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    finally:
        connection.execute("PRAGMA busy_timeout = 0")
    return not busy
