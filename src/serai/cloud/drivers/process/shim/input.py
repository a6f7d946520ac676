"""What callers type, until the program has read it."""

from __future__ import annotations

import os

ROOM = 64 << 10  # octets that wait for the program
END = b"\x04"  # end of file, as it is typed


class Input:
    """Input on its way into ``fd``, which does not block; the ``terminal`` is somebody else's to close.

    ``taken`` is the number of octets that were taken so far, ``held`` those of them that wait for the program.
    """

    def __init__(self, fd: int, terminal: bool) -> None:
        self.fd = fd
        self.held = bytearray()
        self.taken = 0
        self._terminal, self._no_more = terminal, False

    def take(self, at: int, data: bytes, last: bool) -> bool:
        """Take octets that begin at place ``at`` (some may have come before) as far as there is room; False for none.

        Where nothing is read any more all is taken, and thrown away.
        """
        fresh = data[self.taken - at :]
        room = ROOM - len(self.held) if self.fd >= 0 else len(fresh)
        if fresh and not room:
            return False
        if self.fd >= 0:
            self.held += fresh[:room]
            self._no_more = self._no_more or (last and len(fresh) <= room)
        self.taken += min(room, len(fresh))
        return True

    def feed(self) -> bool:
        """Give the program what it takes, and the end after the last of it; False where it takes nothing now."""
        try:
            if self.held:
                del self.held[: os.write(self.fd, self.held)]
        except BlockingIOError:
            return False
        except OSError:  # it reads no more
            self._shut()
        if self._no_more and not self.held:
            self._no_more = False
            if self._terminal:
                self.held += END
            else:
                self._shut()
        return True

    def _shut(self) -> None:
        self.held.clear()
        if self.fd >= 0 and not self._terminal:
            os.close(self.fd)
        self.fd = -1
