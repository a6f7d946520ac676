"""Reaping: of workers, of helpers we started, and of whatever else the kernel hands us."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable


class Children:
    """Collect the status of each dead child, so that none stays a zombie."""

    def __init__(self, ours: Callable[[int, int], bool]) -> None:
        self._ours = ours
        self._awaited: dict[int, asyncio.Future[int]] = {}
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.reap)

    def reap(self) -> None:
        """Collect all that are dead; also to be called once after a start, for those who died before."""
        while True:
            try:
                pid, raw = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            status = os.waitstatus_to_exitcode(raw)
            future = self._awaited.pop(pid, None)
            if future is not None and not future.done():
                future.set_result(status)
            else:
                self._ours(pid, status)

    def wait(self, pid: int) -> asyncio.Future[int]:
        """Return a future of a helper's exit code; call it before the loop runs again after its start."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._awaited[pid] = future
        return future
