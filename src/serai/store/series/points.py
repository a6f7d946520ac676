"""Points, and how several become one without a lie: sums are added, gauges keep count, sum, least and greatest.

All are integers, so folding is exact, in any order and any grouping. A histogram is a sum for each of its buckets:
quantiles are computed from the folded buckets and never averaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Gauge = tuple[int, int, int, int]  # count, sum, least, greatest
#: What one target had in one step: column to a sum (an integer) or to a gauge.
Point = dict[int, "int | Gauge"]

#: Columns from this one on are gauges, those below are sums.
GAUGES = 1024


def gauge(value: int) -> Gauge:
    """Return the gauge of one measurement."""
    return (1, value, value, value)


def gauges_of(point: Mapping[int, int | Gauge]) -> Iterator[tuple[int, Gauge]]:
    """Yield the gauges of a point by column."""
    for column, value in point.items():
        if isinstance(value, tuple):
            yield column, value


def merge(one: Gauge, other: Gauge) -> Gauge:
    """Return the gauge of both's measurements."""
    return (one[0] + other[0], one[1] + other[1], min(one[2], other[2]), max(one[3], other[3]))


def fold_into(point: Point, more: Mapping[int, int | Gauge]) -> None:
    """Add what ``more`` has to ``point``."""
    for column, value in more.items():
        before = point.get(column)
        if before is None:
            point[column] = value
        elif isinstance(value, int):
            if isinstance(before, int):
                point[column] = before + value
        elif isinstance(before, tuple):
            point[column] = merge(before, value)


def fold(points: Iterable[Mapping[int, int | Gauge]]) -> Point:
    """Return one point for several."""
    folded: Point = {}
    for point in points:
        fold_into(folded, point)
    return folded


def coarsen(points: Mapping[int, Point], step: int) -> dict[int, Point]:
    """Fold points by time into points by time of a longer ``step``, in seconds."""
    coarse: dict[int, Point] = {}
    for when, point in points.items():
        at = when - when % step
        if at in coarse:
            fold_into(coarse[at], point)
        else:
            coarse[at] = dict(point)
    return coarse
