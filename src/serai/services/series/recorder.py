"""What is told, as points: of the app, of its tenant, of the host; held until their time is over. No I/O, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from serai.daemon import figures
from serai.daemon.figures import Telling
from serai.store.series import GAUGES, Gauge, Point, fold_into
from serai.store.series.points import gauge

HOST = "-"  # no tenant can have this name
#: The target whose only column says how many seconds were looked at: without it, a gap and silence look the same.
SEEN = "."
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_PLATFORM = {"", HOST}

Key = tuple[str, str]  # tenant, app


def targets(tenant: str, app: str) -> tuple[str, ...]:
    """Return whose points something counts for, the host's first."""
    if tenant in _PLATFORM:
        return (HOST,)
    return (HOST, tenant, f"{tenant}/{app}") if app else (HOST, tenant)


class Recorder:
    """Collect points in windows of ``span`` seconds; ``most`` targets in each, so that nobody can fill the memory."""

    def __init__(self, span: int, most: int) -> None:
        self._span = span
        self._most = most
        self._windows: dict[int, dict[str, dict[int, Point]]] = {}
        self._standing: dict[str, dict[Key, tuple[float, dict[int, int]]]] = {}
        self._totals: dict[str, dict[int, int]] = {}
        self.refused = 0  # rows for which there was no room, or that made no sense

    def add(self, second: int, target: str, values: Mapping[int, int | Gauge]) -> None:
        """Add to a target's point of a second."""
        window = self._windows.setdefault(second - second % self._span, {})
        points = window.get(target)
        if points is None:
            if len(window) >= self._most:
                self.refused += 1
                return
            points = window[target] = {}
        fold_into(points.setdefault(second, {}), values)

    def hear(self, telling: Telling, second: int, now: float) -> None:
        """Take what a source tells in a second; ``now`` is monotonic."""
        for tenant, app, sums in telling.sums:
            if self._makes_sense(tenant, app) and all(column < GAUGES for column in sums):
                for target in targets(tenant, app):
                    self.add(second, target, sums)
        touched: dict[str, set[int]] = {}
        for tenant, app, values in telling.gauges:
            if self._makes_sense(tenant, app) and all(column >= GAUGES for column in values):
                changed = self._stand(telling.source, (tenant, app), values, now)
                for target in targets(tenant, app):
                    touched.setdefault(target, set()).update(changed)
        for target, columns in touched.items():
            self._measure(second, target, columns)

    def _makes_sense(self, tenant: str, app: str) -> bool:
        good = (tenant in _PLATFORM or bool(_NAME.match(tenant))) and (not app or bool(_NAME.match(app)))
        self.refused += not good
        return good

    def _stand(self, source: str, key: Key, values: dict[int, int], now: float) -> set[int]:
        """Remember how a source's gauges stand, and change the totals; return which columns may have changed."""
        standing = self._standing.setdefault(source, {})
        if key not in standing and sum(map(len, self._standing.values())) >= self._most:
            self.refused += 1
            return set()
        _, before = standing.pop(key, (0.0, {}))
        if values:
            standing[key] = (now, values)
        for target in targets(*key):
            totals = self._totals.setdefault(target, {})
            for column, value in before.items():
                totals[column] = totals.get(column, 0) - value
            for column, value in values.items():
                totals[column] = totals.get(column, 0) + value
            if not values and not any(totals.values()):
                del self._totals[target]
        return before.keys() | values.keys()

    def _measure(self, second: int, target: str, columns: set[int]) -> None:
        """Put totals as they are now into the point of a second, instead of those that it has."""
        totals = self._totals.get(target, {})
        self.add(second, target, {})
        point = self._windows.get(second - second % self._span, {}).get(target, {}).get(second)
        if point is not None:
            point.update({column: gauge(totals.get(column, 0)) for column in columns})

    def expire(self, now: float) -> None:
        """No longer believe gauges that were not told again."""
        for source, standing in list(self._standing.items()):
            for key in [key for key, (when, _) in standing.items() if now - when > figures.BELIEVED]:
                self._stand(source, key, {}, now)
            if not standing:
                del self._standing[source]

    def totals(self, target: str) -> Mapping[int, int]:
        """Return how a target's gauges stand."""
        return self._totals.get(target, {})

    def standing(self) -> Iterator[str]:
        """Yield the targets of which gauges stand."""
        yield from self._totals

    def take(self, until: int) -> Iterator[tuple[int, dict[str, dict[int, Point]]]]:
        """Yield the windows that end by ``until``: their start, and points by target and time.

        Each is held until it is asked for, so that it is always to be found somewhere.
        """
        for start in sorted(start for start in self._windows if start + self._span <= until):
            yield start, self._windows.pop(start)

    def pending(self, target: str) -> dict[int, Point]:
        """Return the points of a target that are still held."""
        held = (window.get(target, {}) for window in self._windows.values())
        return {second: dict(point) for points in held for second, point in points.items()}
