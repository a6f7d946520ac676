"""Keep a replica in step with its store, and serving when the store is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from serai.errors import NotFoundError, SeraiError, UnavailableError
from serai.store.contract import Change
from serai.store.driver import Row
from serai.store.replica import Replica
from serai.store.store import Store

T = TypeVar("T")

#: Entries of the feed, or descriptors, that are in memory at once.
PAGE = 1000


class Filler:
    """Pull a store's feed into a replica.

    A replica that was never filled, that follows another store, or whose last change is not in the store's past (the
    store was set back to an older state) gets a snapshot. All else is caught up from the feed.
    """

    def __init__(self, store: Store, replica: Replica, *, page: int = PAGE) -> None:
        self.error: SeraiError | None = None  # why the last pull failed, None where it did not
        self.on_applied: list[Callable[[frozenset[str] | None], None]] = []  # told kinds that changed; None: any
        self.snapshots = 0
        self._store = store
        self._replica = replica
        self._page = page
        self._nudged = asyncio.Event()
        self._closed = False
        # Writing may wait for the disk, and a transaction belongs to the thread that began it.
        self._thread = ThreadPoolExecutor(1, "replica-writer")

    def nudge(self) -> None:
        """Say that there is a change; `run` pulls at once."""
        self._nudged.set()

    async def run(self, *, poll: float = 5.0) -> None:
        """Pull after each nudge, and every ``poll`` seconds in case one was lost, until cancelled.

        A store or a disk that fails is no reason to stop: ``error`` says so, and the replica goes on as it is.
        """
        while True:
            self._nudged.clear()
            try:
                await self.pull()
            except SeraiError as error:
                self.error = error
            # Not wait_for: until Python 3.12 it loses a cancellation that comes together with the nudge.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(poll):
                    await self._nudged.wait()

    async def pull(self) -> int:
        """Bring the replica to the newest change; return its number."""
        at = await self._write(self._replica.position)
        identity = await self._store.identity()
        if at.store != identity or not await self._is_in_past(at.change, at.mark):
            reached = await self._snapshot(identity)
            self._tell(None)
        else:
            reached = at.change
        while page := await self._store.changes(reached, self._page):
            reached = await self._write(lambda page=page: self._replica.apply(page))  # type: ignore[misc]
            self._tell(frozenset(change.kind for change in page))
        self.error = None
        return reached

    async def close(self) -> None:
        """End the thread, giving up a snapshot that is under way; the replica stays open."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)

    def _tell(self, kinds: frozenset[str] | None) -> None:
        for listener in self.on_applied:
            listener(kinds)

    async def _is_in_past(self, number: int, mark: int) -> bool:
        if number == 0:
            return await self._store.first_change() == 1
        try:
            found = await self._store.changes(number - 1, 1)
        except NotFoundError:  # pruned: we fell too far behind
            return False
        return bool(found) and (found[0].number, found[0].mark) == (number, mark)

    async def _snapshot(self, identity: str) -> int:
        """Copy all, a page at a time, while the store goes on; then what changed meanwhile."""
        last = await self._store.last_change()
        mark = (await self._store.changes(last - 1, 1))[0].mark if last else 0
        loop = asyncio.get_running_loop()

        def wait(call: Coroutine[Any, Any, T]) -> T:
            if self._closed:
                call.close()
                raise UnavailableError("the replica's filler was closed")
            return asyncio.run_coroutine_threadsafe(call, loop).result()

        def rows() -> Iterator[Row]:
            after = ("", "", "")
            while page := wait(self._store.export(after, self._page)):
                yield from page
                after = (page[-1].kind, page[-1].tenant, page[-1].name)

        def feed() -> Iterator[Change]:
            after = last
            while page := wait(self._store.changes(after, self._page)):
                yield from page
                after = page[-1].number

        reached = await self._write(lambda: self._replica.snapshot(identity, rows(), (last, mark), feed()))
        self.snapshots += 1
        return reached

    def _write(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)
