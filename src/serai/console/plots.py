"""Numbers over time, drawn on the server: what a plot shows before scripts run, and all that there is without them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import msgspec

from serai.api.answers import Parameters, segment
from serai.console.visit import Visit
from serai.errors import SeraiError
from serai.services.series.asking import Curves

Value = int | float | None
HIGH = 100.0  # of the box that curves are drawn in; it is as wide as there are points
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Span(msgspec.Struct, frozen=True):
    """How far back plots go, and how long a point of those that the server draws is; seconds."""

    name: str
    seconds: int
    step: int


SPANS = (Span("hour", 3600, 60), Span("day", 86400, 1800), Span("week", 7 * 86400, 10800))


class Wish(msgspec.Struct, frozen=True):
    """A plot to be: names of `series` to what people call them; ``total`` names how much there is of it at most."""

    title: str
    names: Mapping[str, str]
    total: str = ""


HOST = (
    Wish("Requests", {"requests": "all", "errors": "errors"}),
    Wish("Latency", {"latency.p50": "median", "latency.p99": "p99"}),
    Wish("Processor", {"cpu": "used"}, total="cores"),
    Wish("Memory", {"memory": "used"}, total="memory.total"),
    Wish("Disk", {"disk": "used"}, total="disk.total"),
    Wish("Network", {"net.in": "in", "net.out": "out"}),
)
APPS = (
    Wish("Requests", {"requests": "all", "errors": "errors"}),
    Wish("Latency", {"latency.p50": "median", "latency.p99": "p99"}),
    Wish("Processor", {"cpu": "used"}),
    Wish("Memory", {"memory": "used"}),
    Wish("Data on disk", {"data": "used"}),
    Wish("Instances", {"instances": "running"}),
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A curve: its points as SVG has them, one text for each stretch without gaps, and what it says in words."""

    name: str
    label: str
    stretches: tuple[str, ...]
    now: str
    mean: str
    most: str


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """A plot as the template `ui.drawn` takes it."""

    of: str
    title: str
    seconds: int
    lines: tuple[Line, ...]
    total: str  # the series' name
    most: str  # how much there is at most, in words
    width: int


def span_of(name: str) -> Span:
    """Return a span by its name, the shortest for any other."""
    return next((one for one in SPANS if one.name == name), SPANS[0])


def choices(visit: Visit, span: Span) -> list[tuple[str, str, bool]]:
    """Return what `ui.choices` offers: (text, path, whether it is chosen) of each span."""
    return [(f"last {one.name}", visit.with_query(span=one.name), one == span) for one in SPANS]


async def draw(visit: Visit, of: str, wishes: Sequence[Wish], span: Span) -> list[Plot]:
    """Ask once for all numbers of a target (TENANT, TENANT/APP, or "-", the host) and draw them.

    While the numbers are away the plots are empty: scripts try again.
    """
    names = dict.fromkeys(name for wish in wishes for name in (*wish.names, wish.total) if name)
    query: Parameters = {"names": ",".join(names), "from": f"-{span.seconds}", "step": span.step}
    path = "/".join(segment(part) for part in of.split("/"))
    try:
        curves = await visit.calls.read(Curves, f"/v1/series/{path}", query)
    except SeraiError:
        curves = Curves(target=of, step=span.step, names=[*names], units=[""] * len(names), columns=[])
    return [_plot(wish, of, span, curves) for wish in wishes]


def shown(value: Value, unit: str) -> str:
    """Return a number with its unit, as plots write it: octets by 1024, less than a second in milliseconds."""
    if value is None:
        return "\N{EN DASH}"
    if unit.startswith("octets"):
        size = float(value)
        for name in _UNITS:
            if abs(size) < 1024 or name == _UNITS[-1]:
                return f"{size:.3g} {name}{unit.removeprefix('octets')}" if size < 999.5 else f"{size:.0f} {name}"
            size /= 1024
    if unit == "s" and abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    if unit == "cores" and abs(value) < 0.1:
        return f"{value * 100:.3g} %"  # of one
    number = f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"
    return f"{number} {unit.removeprefix('1')}".strip().replace(" /", "/")


def _plot(wish: Wish, of: str, span: Span, curves: Curves) -> Plot:
    columns = dict(zip(curves.names, curves.columns[1:], strict=False))
    units = dict(zip(curves.names, curves.units, strict=False))
    total = next((value for value in reversed(columns.get(wish.total, ())) if value is not None), None)
    top = total or max(
        (value for name in wish.names for value in columns.get(name, ()) if value is not None), default=0
    )
    lines = tuple(
        _line(name, label, columns.get(name, ()), units.get(name, ""), top) for name, label in wish.names.items()
    )
    return Plot(
        of=of,
        title=wish.title,
        seconds=span.seconds,
        lines=lines,
        total=wish.total,
        most=shown(total, units.get(wish.total, "")) if total else "",
        width=max(1, len(curves.columns[0]) - 1 if curves.columns else 1),
    )


def _line(name: str, label: str, values: Sequence[Value], unit: str, top: float) -> Line:
    known = [value for value in values if value is not None]
    return Line(
        name=name,
        label=label,
        stretches=tuple(_stretches(values, top)),
        now=shown(known[-1] if known else None, unit),
        mean=shown(sum(known) / len(known) if known else None, unit),
        most=shown(max(known, default=None), unit),
    )


def _stretches(values: Sequence[Value], top: float) -> Iterable[str]:
    """Yield the points of each stretch without gaps; nothing is drawn where nobody looked."""
    for there, stretch in groupby(enumerate(values), key=lambda point: point[1] is not None):
        if there:
            points = [(at, HIGH - 0.97 * HIGH * (value or 0) / (top or 1)) for at, value in stretch]
            if len(points) == 1:  # a line takes two
                points.append((points[0][0] + 1, points[0][1]))
            yield " ".join(f"{at},{high:.1f}" for at, high in points)
