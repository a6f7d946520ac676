"""Who talks to a visit: the socket ``door`` in its folder. `serai.cloud.visiting` is the other side, and tells how."""

from __future__ import annotations

import os
from _socket import AF_UNIX, SOCK_SEQPACKET, socket

MOST = 16  # callers at a time; the one that has been silent longest makes room
LONGEST = 128 << 10  # octets of a message; they ask with far less


class Callers:
    """Accept callers, greet them and read what they ask, message by message."""

    def __init__(self, owner: int, greeting: bytes) -> None:
        self.listener = socket(AF_UNIX, SOCK_SEQPACKET | os.O_NONBLOCK | os.O_CLOEXEC)
        self.open: dict[int, socket] = {}
        self._greeting = greeting
        mask = os.umask(0o177)
        try:
            self.listener.bind("door")
        finally:
            os.umask(mask)
        if owner >= 0:
            os.chown("door", owner, -1)
        self.listener.listen(64)

    def accept(self) -> int:
        """Take one caller in and return its descriptor, -1 where there is none."""
        try:
            fd, _ = self.listener._accept()  # type: ignore[attr-defined]  # the stubs leave it out
        except OSError:
            return -1
        caller = socket(fileno=fd)
        caller.setblocking(False)
        while len(self.open) >= MOST:
            self.drop(next(iter(self.open)))
        self.open[fd] = caller
        self.tell(fd, b"h" + self._greeting)
        return int(fd)

    def hear(self, fd: int) -> bytes:
        """Return the next message of a caller; who has hung up is dropped."""
        try:
            message = self.open[fd].recv(LONGEST)
        except BlockingIOError:
            return b""
        except OSError:
            message = b""
        if not message:
            self.drop(fd)
        elif fd in self.open:
            self.open[fd] = self.open.pop(fd)  # it is the last to have spoken
        return message

    def tell(self, fd: int, message: bytes) -> bool:
        """Send a message; return False where it has no room now. Who has hung up is dropped."""
        try:
            self.open[fd].send(message)
        except BlockingIOError:
            return False
        except OSError:
            self.drop(fd)
        return True

    def drop(self, fd: int) -> None:
        """Hang up."""
        caller = self.open.pop(fd, None)
        if caller is not None:
            caller.close()
