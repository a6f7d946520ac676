"""A store that goes on answering what descriptors there are while its engine is away: as this host last knew them.

It is for showing. What is written on the ground of such an answer meets the engine, which is away, or back with newer
versions: nothing is overwritten.

An engine that is away is looked for here, in the background, and by nobody else: whoever reads meanwhile gets the copy,
or is told at once that there is none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TypeVar

import msgspec

from serai.errors import DeadlineError, NotFoundError, SeraiError, UnavailableError
from serai.store.contract import Record, S, Spec
from serai.store.replica import Replica
from serai.store.retry import Patience
from serai.store.store import Store

T = TypeVar("T")
Away = UnavailableError | DeadlineError

REST = 1.0  # seconds between two looks whether an engine that is away is back
#: Of reads for which the copy stands in. All others are as patient as the store is.
HASTE = Patience(attempts=5, first=0.02)
#: Seconds since it went for which a read waits that has no copy: a server that starts anew takes about as long.
WORTH = 4.0


class LastKnown(Store):
    """A view of a store, and of the replica that stands in for it. Close it: it may be looking for the engine."""

    def __init__(self, store: Store, replica: Replica, *, rest: float = REST) -> None:
        self.__dict__.update(vars(store))  # the same engine, and the same who are told of commits
        self._engine = store
        haste = msgspec.structs.replace(HASTE, attempts=min(HASTE.attempts, self._patience.attempts))
        self._hasty = store.with_patience(haste)
        self._replica = replica
        self._rest = rest
        self._answered = 0.0
        self._lost: Away | None = None  # why the engine is away
        self._since = 0.0  # seconds of the monotonic clock
        self._back = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    @property
    def as_of(self) -> float | None:
        """Return how old answers are (seconds since the epoch), None unless the engine is away now.

        That is when it last answered; or when the copy was last written, where it has not answered this process yet.
        """
        return None if self._lost is None else self._answered or self._replica.written()

    async def get(self, kind: type[S], tenant: str, name: str) -> Record[S]:
        """Return one descriptor, or raise `NotFoundError`; `UnavailableError` where there is no copy to look into."""
        return await self._either(lambda: self._hasty.get(kind, tenant, name), lambda: self._copy(kind, tenant, name))

    async def get_any(self, kind: str, tenant: str, name: str) -> Record[Spec]:
        """Return one descriptor by its kind's name."""
        return await self._either(
            lambda: self._hasty.get_any(kind, tenant, name), lambda: self._copy(self.kinds.get(kind), tenant, name)
        )

    async def find(
        self, kind: type[S], tenant: str | None = None, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Record[S]]:
        """List descriptors by (tenant, name)."""
        return await self._either(
            lambda: self._hasty.find(kind, tenant, prefix=prefix, after=after, limit=limit),
            lambda: self._known(kind, tenant, prefix, after, limit),
        )

    async def find_any(
        self, kind: str, tenant: str | None = None, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Record[Spec]]:
        """List descriptors by their kind's name."""
        return await self._either(
            lambda: self._hasty.find_any(kind, tenant, prefix=prefix, after=after, limit=limit),
            lambda: self._known(self.kinds.get(kind), tenant, prefix, after, limit),
        )

    async def ask(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await an operation that only reads, of which there is no copy; refuse it at once while the engine is away.

        In the first moments of that it is waited for.
        """
        while self._lost is not None:
            left = self._since + WORTH - time.monotonic()
            # A silent engine was waited for already, for as long as its answer may take.
            if left <= 0 or not self._lost.temporary or isinstance(self._lost, DeadlineError):
                raise self._away()
            try:
                async with asyncio.timeout(left):
                    await self._back.wait()
            except TimeoutError:
                raise self._away() from None
        try:
            found = await self._engine.ask(operation, call)
        except (UnavailableError, DeadlineError) as error:
            self._lose(error)
            raise
        self._answered = self._now()
        return found

    async def call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await an operation that writes: it always gets as far as the engine."""
        try:
            done = await self._engine.call(operation, call)
        except (UnavailableError, DeadlineError):
            if self._lost is None:
                await self._look()  # it may be that only writing does not work
            raise
        self._found()  # whoever wrote something reads it from then on
        return done

    async def close(self) -> None:
        """Look for the engine no more; the store itself is closed by whoever opened it."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
            self._looking = None

    def _copy(self, kind: type[S], tenant: str, name: str) -> Record[S] | None:
        found = self._replica.get(kind, tenant, name)
        if found is None and self._replica.position().store:
            raise NotFoundError(f"there was no {kind.KIND} {name}", kind=kind.KIND, tenant=tenant, name=name)
        return found

    def _known(self, kind: type[S], tenant: str | None, prefix: str, after: str, limit: int) -> list[Record[S]]:
        start = after.partition("/")[::2]
        found = self._replica.find(kind, tenant, prefix)
        return list(islice((one for one in found if not after or (one.tenant, one.name) > start), limit))

    async def _either(self, ask: Callable[[], Awaitable[T]], known: Callable[[], T | None]) -> T:
        if self._lost is None:
            try:
                found = await ask()
            except (UnavailableError, DeadlineError) as error:
                self._lose(error)
            else:
                self._answered = self._now()
                return found
        instead = known()
        if instead is None:
            raise self._away()
        return instead

    def _away(self) -> Away:
        lost = self._lost or UnavailableError("The store did not answer.")  # it is back at this very moment
        return type(lost)(lost.public, temporary=lost.temporary, **lost.fields)

    def _lose(self, error: Away) -> None:
        if self._lost is None:
            self._since = time.monotonic()
            self._back.clear()
        self._lost = error
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_for())

    async def _look_for(self) -> None:
        try:
            while self._lost is not None:
                await asyncio.sleep(self._rest)
                await self._look()
        finally:
            self._lost = None  # also where this ends for another reason: whoever asks next finds out
            self._back.set()

    async def _look(self) -> None:
        """Ask the engine something small, once."""
        try:
            await self.driver.last_change()
        except (UnavailableError, DeadlineError) as error:
            self._lose(error)
            return
        except SeraiError:
            pass  # it does answer
        self._found()

    def _found(self) -> None:
        self._answered = self._now()
        self._lost = None
        self._back.set()
