"""A fair share of new connections for each worker.

The workers share their listening sockets, so that no connection is lost together with a worker. But so whichever wakes
first takes a whole burst, and as clients keep their connections, one worker may have nearly all of them while another
rests. So workers tell each other how many they have, and one that is ahead leaves the next to the others for a moment.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

MAX_WORKERS = 256  # of a group; those beyond take what comes
STALE = 3.0  # seconds after which a worker that says nothing is not waited for
WAIT = 0.001  # seconds for the others to take a connection
#: Waits in a row after which some connections are taken all the same: the others may be short of CPU, or stuck.
PATIENCE, TAKEN = 4, 8

_SLOT = 16  # octets: number of connections, and when that was said last, in milliseconds of the monotonic clock


class Share:
    """What one worker knows of all. ``path`` is a file that the group's workers map into their memory."""

    def __init__(self, path: Path, worker: int) -> None:
        self._path = path
        self._own = 2 * worker
        self._slots: memoryview | None = None  # two numbers for each worker
        self._others: list[int] = []  # where the slots of those begin that live
        self._waits = 0

    def open(self, now: float) -> None:
        """Join the others; raises OSError. ``now``, here and below, is monotonic seconds, the same to all workers."""
        if self._own >= 2 * MAX_WORKERS:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.ftruncate(fd, MAX_WORKERS * _SLOT)
            self._slots = memoryview(mmap.mmap(fd, MAX_WORKERS * _SLOT)).cast("q")
        finally:
            os.close(fd)
        self.tell(0)
        self.beat(now)

    def tell(self, connections: int) -> None:
        """Say how many connections this worker has."""
        if self._slots is not None:
            self._slots[self._own] = connections

    def beat(self, now: float) -> None:
        """Say that this worker lives, and see who else does: once a second."""
        slots = self._slots
        if slots is None:
            return
        slots[self._own + 1] = int(now * 1000)
        since = int((now - STALE) * 1000)
        self._others = [at for at in range(0, 2 * MAX_WORKERS, 2) if at != self._own and slots[at + 1] >= since]

    def wait(self) -> float:
        """Return the seconds for which the next connection is left to the others; 0 when it is this worker's turn."""
        slots = self._slots
        if slots is None or not self._others:
            return 0.0
        least = min([slots[at] for at in self._others])
        if slots[self._own] <= least + 1 + least // 8:
            self._waits = 0
            return 0.0
        self._waits += 1
        if self._waits <= PATIENCE:
            return WAIT
        if self._waits >= PATIENCE + TAKEN:
            self._waits = 0
        return 0.0

    def leave(self) -> None:
        """Say nothing more: the slot is the next worker's, who has the same number."""
        self._slots = None
