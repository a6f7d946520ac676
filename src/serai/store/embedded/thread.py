"""The two threads of the engine: one writes, with group commit; one reads.

Transactions that wait while another one is being made durable are made durable together, by one commit. Each is in
a savepoint of its own, so that one's conflict is not the others'.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

from serai.errors import UnavailableError
from serai.store.embedded.errors import is_broken, translate
from serai.store.embedded.session import Session

T = TypeVar("T")

Work = Callable[[sqlite3.Cursor], T]

#: Transactions of one commit; more wait for the next, so that the first ones do not wait for all.
MAX_GROUP = 256


class Kept:
    """Keep an exception for whoever awaits it, on another thread."""

    error: Exception | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if isinstance(error, Exception):
            self.error = error
            return True
        return False


class Job(Kept, Generic[T]):
    """Work that somebody awaits, and how it went."""

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self._result: list[T] = []

    def run(self, cursor: sqlite3.Cursor) -> None:
        """Do the work and keep its result or its error."""
        with self:
            self._result.append(self.work(cursor))

    def settle(self) -> None:
        """Tell who awaits it; on the event loop's thread."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self._result[0])


class Worker:
    """A thread with a connection. It starts with its first job and is done when `close` returns."""

    def __init__(self, session: Session, name: str, *, writes: bool) -> None:
        self._session = session
        self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        self._group = MAX_GROUP if writes else 1
        self._name = name
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def run(self, work: Work[T]) -> T:
        """Run work within a transaction and return its result once that is durable.

        A caller that is cancelled does not undo it.
        """
        if self._closed:
            raise UnavailableError("the store was closed", temporary=False)
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name=self._name, daemon=True)
            self._thread.start()
        job = Job(work)
        self._jobs.put(job)
        return await job.future

    async def close(self) -> None:
        """Finish all accepted jobs, then end."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        last = False
        while not last:
            jobs = [self._jobs.get()]
            while jobs[-1] is not None and len(jobs) < self._group and not self._jobs.empty():
                jobs.append(self._jobs.get())
            if jobs[-1] is None:
                last = True
                jobs.pop()
            group = [job for job in jobs if job is not None]
            if group:
                self._transact(group)
                _tell(group)
        self._session.close()

    def _transact(self, group: list[Job[Any]]) -> None:
        """Run jobs in one transaction; what goes wrong with the transaction goes wrong with each of them."""
        whole = Kept()
        with whole:
            cursor = self._session.connection().cursor()
            cursor.execute(self._begin)
            for job in group:
                self._one(cursor, job)
            cursor.execute("COMMIT")
            # After the commit, too: what went to a file that is gone must not be acknowledged.
            self._session.check()
        if whole.error is not None:
            error = self._session.abandon(whole.error)
            for job in group:
                if job.error is None or isinstance(job.error, sqlite3.Error):
                    job.error = error

    def _one(self, cursor: sqlite3.Cursor, job: Job[Any]) -> None:
        cursor.execute("SAVEPOINT job")
        job.run(cursor)
        native = job.error
        if isinstance(native, sqlite3.Error):
            # SQLite rolls all back by itself where the disk is full or broken.
            if is_broken(native) or not cursor.connection.in_transaction:
                raise native
            job.error = translate(native, self._session.file.path)
        if job.error is not None:
            cursor.execute("ROLLBACK TO job")
        cursor.execute("RELEASE job")


def _tell(group: list[Job[Any]]) -> None:
    """Wake each event loop once for all of its jobs."""
    for loop in {job.loop for job in group}:
        mine = [job for job in group if job.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, mine)


def _settle(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.settle()
