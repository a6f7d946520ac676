"""Answers from what is kept and what is held yet. One thread at a time reads the history; see the module."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from serai.daemon import figures
from serai.services.series import asking
from serai.services.series.asking import Ask, AskGlance, Curves, Glance, LevelState, Look, State
from serai.services.series.curves import STANDS, curve, needed, number, quantile, rounded
from serai.services.series.lately import Board, Rates
from serai.services.series.names import ALL_REQUESTS
from serai.services.series.recorder import SEEN, Recorder
from serai.store.series import History, Point
from serai.store.series.points import coarsen

#: A second is told of when it is over and everybody told theirs.
_LATE = 1.0
_FRESH = 40  # seconds after which an app's last window is no longer how it does
_P99 = 0.99

#: Gauges by which apps may be sorted.
_GAUGES = {"cpu": figures.CPU, "memory": figures.MEMORY, "data": figures.DATA}


def held(recorder: Recorder, target: str) -> tuple[dict[int, Point], dict[int, Point]]:
    """Return what is not written yet of a target, and of what was looked at: to be asked for where they are held."""
    return recorder.pending(target), recorder.pending(SEEN)


def read(history: History, ask: Ask, pending: tuple[dict[int, Point], dict[int, Point]], now: float) -> Curves:
    """Return curves. `InvalidError` for what can't be asked."""
    wanted = asking.figures_of(ask)
    step, level = asking.choose(history.levels, ask, now)
    since = int(ask.since) // step * step
    until = min(int(ask.until), int(now - _LATE))
    # A gauge stands for a while: what it was before may be what it is.
    early = since - -(-STANDS // step) * step if step < STANDS else since
    times = list(range(early, until, step))[: asking.MAX_POINTS + (since - early) // step]
    columns = {column for figure in wanted for column in needed(figure)}
    points, seen = (
        coarsen(history.read(target, level, early, until, held, columns), step)
        for target, held in zip((ask.target, SEEN), pending, strict=True)
    )
    skipped = (since - early) // step
    return Curves(
        target=ask.target,
        step=step,
        names=[figure.name for figure in wanted],
        units=[figure.unit for figure in wanted],
        columns=[[*times[skipped:]], *(curve(figure, times, points, seen)[skipped:] for figure in wanted)],
    )


def glance(board: Board, recorder: Recorder, ask: AskGlance, span: int, now: float) -> Glance:
    """Return one page of apps."""
    names = set(ask.apps) or {*board.targets(), *(name for name in recorder.standing() if "/" in name)}
    chosen = sorted(name for name in names if "/" in name and (not ask.tenant or name.startswith(f"{ask.tenant}/")))
    if ask.order != "name":
        # Many are compared, and few are shown.
        chosen.sort(key=_key(board, recorder, ask.order, now), reverse=True)
    at = bisect_right(chosen, ask.after) if ask.order == "name" else _index(chosen, ask.after)
    first = chosen[at : at + ask.limit + 1]
    looks = [_look(board, recorder, name, span, now, ask.points) for name in first[: ask.limit]]
    return Glance(items=looks, next=first[ask.limit - 1] if len(first) > ask.limit else "")


def _index(names: list[str], after: str) -> int:
    """Return the place after a name, the first where it is no longer there."""
    return names.index(after) + 1 if after in names else 0


def _key(board: Board, recorder: Recorder, order: str, now: float) -> Callable[[str], float]:
    gauge = _GAUGES.get(order)
    if gauge is not None:
        return lambda target: recorder.totals(target).get(gauge, 0)

    def key(target: str) -> float:
        point = _last(board, target, now)
        if order == "latency":
            return quantile(point, _P99) or 0.0 if point else 0.0
        return _requests(point) if order == "requests" else number(point, figures.REQUESTS + 5)

    return key


def _last(board: Board, target: str, now: float) -> Point:
    """Return what an app did in the last window, {} where that was nothing."""
    lately = board.get(target)
    return lately.point if lately is not None and abs(now - lately.start) < _FRESH else {}


def _requests(point: Point) -> int:
    return sum(number(point, column) for column in ALL_REQUESTS) if point else 0


def _look(board: Board, recorder: Recorder, target: str, span: int, now: float, points: int) -> Look:
    tenant, _, app = target.partition("/")
    lately, gauges = board.get(target), recorder.totals(target)
    point = _last(board, target, now)
    rates: tuple[Rates, Rates] = ([0] * points, [0] * points)
    if lately is not None:
        rates = lately.hour(int(now), points)
    cpu = gauges.get(figures.CPU)
    return Look(
        tenant=tenant,
        app=app,
        requests=rounded(_requests(point) / span) or 0,
        errors=rounded(number(point, figures.REQUESTS + 5) / span) or 0,
        latency=rounded(quantile(point, _P99)),
        cpu=None if cpu is None else cpu / 1000,
        memory=gauges.get(figures.MEMORY),
        data=gauges.get(figures.DATA),
        instances=gauges.get(figures.INSTANCES),
        curve=rates[0],
        errors_curve=rates[1],
    )


def state(history: History) -> State:
    """Return what is kept."""
    return State(
        octets=history.used(),
        max_octets=history.octets,
        levels=[
            LevelState(step=level.step, keep=level.keep, oldest=oldest)
            for level, oldest in zip(history.levels, history.oldest(), strict=True)
        ],
    )
