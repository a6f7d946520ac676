"""From points to curves: rates, means, quantiles, gauges. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from serai.daemon import figures
from serai.services.series.names import Figure
from serai.store.series import Point

Curve = list[int | float | None]

#: A gauge that was not measured in a step stands as it did, for so many seconds: idle apps are told once a minute.
STANDS = 90
#: Width of the first bucket of latency, in seconds; each further one ends at the double.
_FIRST = 1 / 16000
_DIGITS = 5  # that are told of a value


def curve(figure: Figure, times: Sequence[int], points: Mapping[int, Point], seen: Mapping[int, Point]) -> Curve:
    """Return a figure's value at each time; None where nobody looked, or nothing can be said.

    ``seen`` tells by `figures.OBSERVED` how many seconds of each step were looked at: only these count in a rate.
    """
    if figure.kind == "gauge":
        return _gauge(figure, times, points)
    found: Curve = []
    for when in times:
        seconds = number(seen.get(when, {}), figures.OBSERVED)
        found.append(value(figure, points.get(when, {}), seconds) if seconds else None)
    return found


def needed(figure: Figure) -> Iterable[int]:
    """Return the columns that a figure is made of, and that which tells how many seconds were looked at."""
    buckets = range(figures.BUCKETS, figures.BUCKETS + figures.BUCKET_COUNT) if figure.kind == "quantile" else ()
    return (figures.OBSERVED, *figure.columns, *figure.by, *buckets)


def value(figure: Figure, point: Point, seconds: float) -> float | None:
    """Return a figure of one point that stands for so many seconds."""
    if figure.kind == "quantile":
        return rounded(quantile(point, figure.quantile))
    if figure.kind == "gauge":
        return rounded(_part(figure, point))
    total = sum(number(point, column) for column in figure.columns) * figure.scale
    if figure.kind == "rate":
        return rounded(total / seconds)
    by = sum(number(point, column) for column in figure.by)
    return rounded(total / by) if by else None


def number(point: Mapping[int, object], column: int) -> int:
    """Return a sum of a point, 0 where it has none."""
    found = point.get(column, 0)
    return found if isinstance(found, int) else 0


def quantile(point: Point, part: float) -> float | None:
    """Return the latency in seconds below which ``part`` of the requests stay; None without any.

    Within the bucket in which it lies, which ends at the double of where it begins, they are taken to be spread
    evenly on a scale of powers: the true one is at most a factor of two away.
    """
    last = figures.BUCKETS + figures.BUCKET_COUNT
    buckets = [
        (column, count)
        for column, count in sorted(point.items())
        if figures.BUCKETS <= column < last and isinstance(count, int)
    ]
    rank = sum(count for _, count in buckets) * part
    below = 0
    for column, count in buckets:
        if below + count >= rank > 0:
            return float(_FIRST * 2.0 ** (column - figures.BUCKETS - 1 + (rank - below) / count))
        below += count
    return None


def rounded(found: float | None) -> int | float | None:
    """Return a value with as many digits as a plot can show: whole numbers stay whole."""
    if found is None:
        return None
    short = float(f"{found:.{_DIGITS}g}")
    return int(found) if found == int(found) else short


def _gauge(figure: Figure, times: Sequence[int], points: Mapping[int, Point]) -> Curve:
    found: Curve = []
    last: int | float | None = None
    since = 0
    for when in times:
        now = _part(figure, points.get(when, {}))
        if now is not None:
            last, since = rounded(now), when
        elif when - since > STANDS:
            last = None
        found.append(last)
    return found


def _part(figure: Figure, point: Point) -> float | None:
    measured = point.get(figure.columns[0])
    if not isinstance(measured, tuple):
        return None
    count, total, least, greatest = measured
    return {"mean": total / count, "least": least, "most": greatest}[figure.part] * figure.scale
