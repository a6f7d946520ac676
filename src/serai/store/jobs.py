"""Threads between an engine that blocks and event loops that must not: jobs, and who does them.

Jobs that wait while others are being made durable are done together, as one group.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from serai.errors import UnavailableError

T = TypeVar("T")
Tx = TypeVar("Tx")

#: Jobs of one commit; more wait for the next, so that the first ones do not wait for all.
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


class Job(Kept, Generic[Tx, T]):
    """Work that somebody awaits, and how it went; ``about`` is what its hand is told of it."""

    def __init__(self, work: Callable[[Tx], T], about: Any = None) -> None:
        self.work = work
        self.about = about
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self._result: list[T] = []

    def run(self, tx: Tx) -> None:
        """Do the work and keep its result or its error; what an earlier run left is forgotten."""
        self.error = None
        self._result.clear()
        with self:
            self._result.append(self.work(tx))

    def settle(self) -> None:
        """Tell who awaits it; on the event loop's thread."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self._result[0])


class Hand(Protocol):
    """What one thread does with groups of jobs."""

    def transact(self, group: list[Job[Any, Any]]) -> None:
        """Run the jobs; each of them has its result or its error afterwards. Raises nothing."""
        ...

    def close(self) -> None:
        """Let go of what the thread holds; the last thing that it does."""
        ...


class Worker(Generic[Tx]):
    """Up to ``threads`` threads that take jobs from one queue.

    One starts when a job comes and none is idle; all are done when `close` returns. ``hire`` makes each one's hand.
    """

    def __init__(self, name: str, hire: Callable[[], Hand], *, group: int = MAX_GROUP, threads: int = 1) -> None:
        self._name = name
        self._hire = hire
        self._group = group
        self._most = threads
        self._jobs: queue.SimpleQueue[Job[Any, Any] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._lock = threading.Lock()
        self._closed = False

    async def run(self, work: Callable[[Tx], T], about: Any = None) -> T:
        """Run work within a transaction and return its result once that is durable.

        A caller that is cancelled does not undo it.
        """
        job = Job(work, about)
        with self._lock:
            if self._closed:
                raise UnavailableError("the store was closed", temporary=False)
            self._jobs.put(job)
            if len(self._threads) < self._most and self._jobs.qsize() > self._idle:
                self._threads.append(threading.Thread(target=self._main, name=self._name, daemon=True))
                self._threads[-1].start()
        return await job.future

    async def close(self) -> None:
        """Finish all accepted jobs, then end."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
            threads = list(self._threads)
        for thread in threads:
            await asyncio.to_thread(thread.join)

    def _main(self) -> None:
        hand = self._hire()
        while group := self._take():
            hand.transact(group)
            _tell(group)
        hand.close()

    def _take(self) -> list[Job[Any, Any]]:
        """Wait for a job and return it with those that wait behind it; none where the work is over."""
        with self._lock:
            self._idle += 1
        job = self._jobs.get()
        with self._lock:
            self._idle -= 1
        group: list[Job[Any, Any]] = []
        with suppress(queue.Empty):
            while job is not None:
                group.append(job)
                if len(group) == self._group:
                    return group
                job = self._jobs.get_nowait()
            self._jobs.put(None)  # it was the end: for the next round, and for the other threads
        return group


def _tell(group: list[Job[Any, Any]]) -> None:
    """Wake each event loop once for all of its jobs."""
    for loop in {job.loop for job in group}:
        mine = [job for job in group if job.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, mine)


def _settle(jobs: list[Job[Any, Any]]) -> None:
    for job in jobs:
        job.settle()
