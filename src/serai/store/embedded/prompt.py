"""Write on the caller's own thread: for what bots do once for each task, where going to another thread costs more.

Nobody waits for the disk: another thread syncs the log soon after each commit, many together where they come close to
each other (`Session.settle`). So all processes see a commit some milliseconds before it is durable; but who acts on it
and waits until that is durable writes later to the same log, and syncs both. Only the whole machine's end can undo it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from serai.errors import UnavailableError
from serai.store.embedded.session import Session

T = TypeVar("T")

#: Looks for a lock that another process holds between which we only yield: most hold it for less time than it takes to
#: sleep and wake up.
_YIELDS = 3
#: Seconds between two looks after that, and altogether; then let a thread wait for it.
_LOOK, _PATIENCE = 0.00005, 0.001
#: Commits between two looks whether the log is long, and where it is and can't be emptied.
_OFTEN, _SELDOM = 16, 256


class Prompter:
    """Do work on the thread of whoever asks, one after another; ``session`` syncs late."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._alone = threading.Lock()
        self._closed = False
        self._left = _OFTEN  # commits until the next look at the log

    def run(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Run work in a transaction that is durable soon; a temporary error where it has to wait."""
        if not self._alone.acquire(blocking=False):
            raise UnavailableError("the store is in use by another thread")
        try:
            return self._transact(work)
        except Exception as error:
            coded = self._session.abandon(error)
            if coded is error:
                raise
            raise coded from error
        finally:
            self._alone.release()

    def close(self) -> None:
        """Close the connection; nothing is done any more."""
        with self._alone:
            self._closed = True
            self._session.close()

    def _transact(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        if self._closed:
            raise UnavailableError("the store was closed", temporary=False)
        # Whether the file is still there is looked at once, before anything is acknowledged.
        connection = self._session.connection(check=False)
        cursor = connection.cursor()
        _begin(cursor)
        before = connection.total_changes
        result = work(cursor)
        cursor.execute("COMMIT")
        if connection.total_changes != before:
            self._session.settle()
            self._left -= 1
        self._session.check()
        if self._left <= 0:  # all that may go wrong now is not the caller's any more
            self._left = _OFTEN if self._session.shorten() else _SELDOM
        return result


def _begin(cursor: sqlite3.Cursor) -> None:
    give_up, looks = 0.0, 0
    while True:
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            give_up = give_up or now + _PATIENCE
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or now > give_up:
                raise
        else:
            return
        looks += 1
        if looks > _YIELDS:
            time.sleep(_LOOK)
        else:
            os.sched_yield()
