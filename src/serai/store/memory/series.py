"""History in dictionaries, for tests and for hosts that are to keep none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from serai.errors import ExhaustedError
from serai.store.series.driver import Row

_ROW = 64  # octets that a row takes beside its data, about as much as in a file


class MemorySeries:
    """An engine; ``octets`` is what rows may take."""

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self._rows: dict[tuple[int, int, str], bytes] = {}
        self._marks: dict[int, int] = {}

    def put(self, rows: Iterable[Row], marks: dict[int, int]) -> None:
        """Keep rows and marks."""
        fresh = {(row.level, row.start, row.target): row.data for row in rows}
        if self.used() + sum(_ROW + len(data) for data in fresh.values()) > self._octets:
            raise ExhaustedError("there is no room left for history")
        self._rows |= fresh
        self._marks |= marks

    def marks(self) -> dict[int, int]:
        """Return the marks."""
        return dict(self._marks)

    def get(self, level: int, target: str, starts: Sequence[int]) -> list[tuple[int, bytes]]:
        """Return rows of a target."""
        keys = ((start, self._rows.get((level, start, target))) for start in sorted(starts))
        return [(start, data) for start, data in keys if data is not None]

    def targets(self, level: int, since: int, until: int) -> list[str]:
        """Return all targets of a time."""
        return sorted({name for each, start, name in self._rows if each == level and since <= start < until})

    def drop(self, level: int, before: int, limit: int) -> int:
        """Remove old rows."""
        old = sorted(key for key in self._rows if key[0] == level and key[1] < before)[:limit]
        for key in old:
            del self._rows[key]
        return len(old)

    def oldest(self, level: int, since: int | None = None) -> int | None:
        """Return the start of a level's oldest row, of all or from a time on."""
        starts = (start for each, start, _ in self._rows if each == level)
        return min((start for start in starts if since is None or start >= since), default=None)

    def used(self) -> int:
        """Return the octets that rows take."""
        return sum(_ROW + len(data) for data in self._rows.values())

    def close(self) -> None:
        """Hold nothing."""
