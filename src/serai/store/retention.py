"""What the store keeps of its past, and the removal of the rest: in small steps, so that nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from serai.store.driver import Keep
from serai.store.store import Store

DAY = 86400.0  # seconds
#: Revisions that one transaction looks at: some 10 ms where all of them go, 2 where none does.
STEP = 200
#: Seconds between two of them, in which writers have the store to themselves.
PAUSE = 0.05


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What stays. Live descriptors do anyhow, and the newest ``versions`` revisions of each.

    A revision goes once it is older than its kind's days of history and than ``feed_days``, and ``feed_changes`` newer
    changes follow it. A replica that was away for longer takes a snapshot.
    """

    history_days: float
    kinds: Mapping[str, float]
    versions: int
    feed_days: float
    feed_changes: int

    def keep(self, now: float, last_change: int) -> Keep:
        """Return the terms as numbers of changes and seconds since the epoch."""

        def since(days: float) -> float:
            return now - max(days, self.feed_days) * DAY

        kinds = {kind: since(days) for kind, days in self.kinds.items()}
        return Keep(max(0, last_change - self.feed_changes), self.versions, since(self.history_days), kinds)


class Retention:
    """Remove what the terms do not keep. ``removed`` counts revisions, ``first_change`` is where the feed begins."""

    def __init__(
        self,
        store: Store,
        terms: Terms,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.removed = 0
        self.first_change = 0
        self._store = store
        self._terms = terms
        self._now = now
        self._sleep = sleep

    async def sweep(self) -> int:
        """Walk the whole past once; return how many revisions were removed. It may be cancelled at any time."""
        keep = self._terms.keep(self._now(), await self._store.last_change())
        at, total = 0, 0
        while keep.feed:
            at, removed = await self._store.prune(keep, at, STEP)
            total += removed
            self.removed += removed
            if at == 0:
                break
            await self._sleep(PAUSE)
        self.first_change = await self._store.first_change()
        return total
