"""A store that goes on answering what descriptors there are while its engine is away: as this host last knew them.

It is for showing. What is written on the ground of such an answer meets the engine, which is away, or back with newer
versions: nothing is overwritten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import islice
from time import monotonic, time
from typing import TypeVar

from serai.errors import NotFoundError, UnavailableError
from serai.store.contract import Record, S, Spec
from serai.store.replica import Replica
from serai.store.store import Store

T = TypeVar("T")
REST = 2.0  # seconds that an engine which is away is not asked: each question takes as long as the store's patience


class LastKnown(Store):
    """A view of a store, and of the replica that stands in for it."""

    def __init__(self, store: Store, replica: Replica) -> None:
        self.__dict__.update(vars(store))  # the same engine, and the same who are told of commits
        self._replica = replica
        self._answered = time()
        self._away_until = 0.0

    @property
    def as_of(self) -> float | None:
        """Return when the engine last answered (seconds since the epoch), None unless it is away now."""
        return self._answered if monotonic() < self._away_until else None

    async def get(self, kind: type[S], tenant: str, name: str) -> Record[S]:
        """Return one descriptor, or raise `NotFoundError`; `UnavailableError` where there is no copy to look into."""
        return await self._either(
            lambda: super(LastKnown, self).get(kind, tenant, name), lambda: self._copy(kind, tenant, name)
        )

    async def get_any(self, kind: str, tenant: str, name: str) -> Record[Spec]:
        """Return one descriptor by its kind's name."""
        return await self._either(
            lambda: super(LastKnown, self).get_any(kind, tenant, name),
            lambda: self._copy(self.kinds.get(kind), tenant, name),
        )

    async def find(
        self, kind: type[S], tenant: str | None = None, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Record[S]]:
        """List descriptors by (tenant, name)."""
        return await self._either(
            lambda: super(LastKnown, self).find(kind, tenant, prefix=prefix, after=after, limit=limit),
            lambda: self._known(kind, tenant, prefix, after, limit),
        )

    async def find_any(
        self, kind: str, tenant: str | None = None, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Record[Spec]]:
        """List descriptors by their kind's name."""
        return await self._either(
            lambda: super(LastKnown, self).find_any(kind, tenant, prefix=prefix, after=after, limit=limit),
            lambda: self._known(self.kinds.get(kind), tenant, prefix, after, limit),
        )

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
        failed: UnavailableError
        if monotonic() >= self._away_until:
            try:
                found = await ask()
            except UnavailableError as error:
                failed = error
                self._away_until = monotonic() + REST
            else:
                self._answered = time()
                return found
        else:
            failed = UnavailableError("The store does not answer.")
        instead = known()
        if instead is None:
            raise failed
        return instead
