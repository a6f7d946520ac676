"""The accept loop that drops nobody.

asyncio's ``Server.close()`` forgets connections that it accepted and did not hand over yet (CPython gh-109564). Here
every accepted connection is handed over in the same call, and stopping leaves the rest in the kernel's queue, where
the next worker, which shares the socket, finds them.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

import structlog

#: Connections taken in one go: enough to empty a burst, few enough that siblings get their share.
BATCH = 32
#: Seconds without accepting after the process or the system ran out of descriptors or memory.
PAUSE = 0.1
_SHORTAGE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# accept(2): errors of the connection that was to be taken, not of the listening socket.
_OF_THE_PEER = (
    errno.ECONNABORTED,
    errno.EPROTO,
    errno.ENETDOWN,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EOPNOTSUPP,
    errno.ENONET,
    errno.EPERM,
)

Accepted = Callable[[socket.socket, Any], None]


class AcceptLoop:
    """Hand over the connections of one listening socket until `stop`.

    ``wait`` is asked before each one: for how many seconds it is to be left to other processes, 0 if for none.
    """

    def __init__(
        self,
        sock: socket.socket,
        accepted: Accepted,
        log: structlog.stdlib.BoundLogger,
        wait: Callable[[], float] | None = None,
    ) -> None:
        self._sock = sock
        self._accepted = accepted
        self._wait = wait
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._fd = sock.fileno()
        self._pause: asyncio.TimerHandle | None = None
        self._stopped = False
        sock.setblocking(False)
        self._loop.add_reader(self._fd, self._readable)

    def stop(self) -> None:
        """Take no further connection; safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        if self._pause is None:
            self._loop.remove_reader(self._fd)
        else:
            self._pause.cancel()

    def _readable(self) -> None:
        for _ in range(BATCH):
            if self._stopped:  # accepted() may have stopped us
                return
            if self._wait is not None and (seconds := self._wait()):
                self._rest(seconds)
                return
            try:
                connection, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OF_THE_PEER:
                    continue
                if error.errno not in _SHORTAGE:
                    raise
                # The queue stays readable: without a pause we would spin on the same error.
                self._log.warning("accept.paused", reason=str(error), seconds=PAUSE)
                self._rest(PAUSE)
                return
            connection.setblocking(False)
            self._accepted(connection, peer)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._fd)
        self._pause = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._fd, self._readable)
