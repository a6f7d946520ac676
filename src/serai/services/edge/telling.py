"""Tells once a second what was added to the edge's counters, for those who keep numbers over time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from serai.daemon import figures
from serai.daemon.figures import Told
from serai.services.edge.metrics import Counters

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge

_MICRO = 1_000_000


def columns(counters: Counters) -> dict[int, int]:
    """Return what was counted so far, by column, zeros left out."""
    found = {figures.REQUESTS + digit: count for digit, count in enumerate(counters.statuses) if count}
    found |= {figures.BUCKETS + at: count for at, count in enumerate(counters.latency) if count}
    found[figures.RECEIVED], found[figures.SENT] = counters.received, counters.sent
    found[figures.LATENCY] = int(counters.seconds * _MICRO)
    return found


class Telling:
    """What one worker told already, and what is new."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._source = f"{edge.ctx.group}.{edge.ctx.worker}"
        self._counts: dict[tuple[str, str], int] = {}

    def fresh(self) -> Iterator[Told]:
        """Yield rows of the apps that were visited since the last time."""
        counts = self._counts
        for key, counters in self._edge.metrics.apps.items():
            count = sum(counters.statuses)
            if counts.get(key) == count or not count:
                continue  # most apps, most of the time
            counts[key] = count
            before, counters.told = counters.told, columns(counters)
            added = ((at, value - before.get(at, 0)) for at, value in counters.told.items())
            yield (*key, {at: value for at, value in added if value})

    async def tell(self) -> None:
        """Tell what is new; nothing where nobody came."""
        sums = list(self.fresh())
        if sums:
            await figures.tell(self._edge.ctx.bus, self._source, sums)
