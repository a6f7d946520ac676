"""History over an engine: write what is new, roll up what is over, read at any level, give up what is too old.

Only the finest level is written as time passes. Rows of the coarser ones are made when their time is over, of the finer
level's rows, and may be made again: a crash loses what was not written yet, and nothing else. What is not rolled up yet
is read from the finer level.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from serai.store.series import codec
from serai.store.series.driver import Row, SeriesDriver
from serai.store.series.levels import Level, check
from serai.store.series.points import Point, coarsen, fold_into

#: A row is rolled up so many seconds after its end, once the finer level has all of it.
GRACE = 30
#: Rows that are removed at a time, and how much shorter everything is kept for each time that that was not enough.
_SLICE, _SHORTER, _SHORTEST = 2000, 0.9, 0.02
#: Of the octets allowed, so many are filled: there is to be room for the next rows.
_FILL = 0.92

Pending = Mapping[int, Point]
Columns = Container[int] | None


class History:
    """Points of many targets. One thread at a time, as with the engine; times are seconds since the epoch."""

    def __init__(self, driver: SeriesDriver, levels: Sequence[Level], octets: int) -> None:
        check(levels)
        self.levels = tuple(levels)
        self.octets = octets
        self.shortened = 1.0  # part of what levels are to be kept for that there is room for
        self._driver = driver
        self._marks: dict[int, int] | None = None
        self._written: int | None = None  # start of the latest row that this process wrote
        self._waiting: dict[int, tuple[int, list[str]]] = {}  # the row under way, and its targets to be rolled up yet

    def write(self, start: int, points: Mapping[str, Mapping[int, Point]]) -> int:
        """Keep points by target and time, of the finest level's row that begins at ``start``; return of how many.

        What an earlier process, or a clock that was set back, wrote of the same row is added to.
        """
        step, again = self.levels[0].step, self._written is None or start <= self._written
        rows = []
        for target, each in points.items():
            if each:
                whole = self._added(target, start, each) if again else each
                rows.append(Row(0, start, target, codec.encode(whole, start, step)))
        self._driver.put(rows, {})
        self._written = start if self._written is None else max(start, self._written)
        return len(rows)

    def _added(self, target: str, start: int, points: Mapping[int, Point]) -> dict[int, Point]:
        before = self._rows(0, target, start, start + self.levels[0].span)
        for when, point in points.items():
            fold_into(before.setdefault(when, {}), point)
        return before

    def roll(self, now: int, most: int) -> bool:
        """Make rows of coarser levels whose time is over, for at most ``most`` targets; say whether more is to do."""
        for level in range(1, len(self.levels)):
            span = self.levels[level].span
            start = self._next(level, now)
            self._pass_over(level, start)
            # The finer level has to have all of it.
            if start + span + GRACE * level > now or (level > 1 and self._next(level - 1, now) < start + span):
                continue
            self._roll(level, start, most)
            return True
        return False

    def _roll(self, level: int, start: int, most: int) -> None:
        rung = self.levels[level]
        begun, waiting = self._waiting.get(level, (-1, []))
        if begun != start:
            waiting = self._driver.targets(level - 1, start, start + rung.span)
        rows = []
        for target in waiting[:most]:
            points = coarsen(self._rows(level - 1, target, start, start + rung.span), rung.step)
            if points:
                rows.append(Row(level, start, target, codec.encode(points, start, rung.step)))
        marks = {level: start + rung.span} if len(waiting) <= most else {}
        self._driver.put(rows, marks)
        self._waiting[level] = (start, waiting[most:])
        self._known().update(marks)

    def read(
        self,
        target: str,
        level: int,
        since: int,
        until: int,
        pending: Pending | None = None,
        columns: Columns = None,
    ) -> dict[int, Point]:
        """Return the points of a target by time at a level's step, in order, of all ``columns`` or (quicker) of some.

        Both ends are widened to whole steps. ``pending`` are points of the finest level that are not written yet.
        """
        step = self.levels[level].step
        since, until = since - since % step, until + -until % step
        points = self._read(target, level, since, until, columns)
        fresh = {when: point for when, point in (pending or {}).items() if since <= when < until}
        for when, point in coarsen(fresh, step).items():
            fold_into(points.setdefault(when, {}), point)
        return dict(sorted(points.items()))

    def _read(self, target: str, level: int, since: int, until: int, columns: Columns) -> dict[int, Point]:
        if level == 0:
            return self._rows(0, target, since, until, columns)
        mark = self._known().get(level, 0)
        points = self._rows(level, target, since, min(until, mark), columns)
        if mark < until:
            finer = self._read(target, level - 1, max(since, mark), until, columns)
            points.update(coarsen(finer, self.levels[level].step))
        return points

    def _rows(self, level: int, target: str, since: int, until: int, columns: Columns = None) -> dict[int, Point]:
        rung = self.levels[level]
        oldest = self._driver.oldest(level)
        if oldest is None or since >= until:
            return {}
        starts = list(range(max(since - since % rung.span, oldest), until, rung.span))
        points: dict[int, Point] = {}
        for start, data in self._driver.get(level, target, starts):
            points.update(codec.decode(data, start, rung.step, columns))
        return {when: point for when, point in points.items() if since <= when < until}

    def active(self, since: int, until: int) -> list[str]:
        """Return targets that have points of the second-finest level, or finer ones, in a time."""
        return sorted({*self._driver.targets(0, since, until), *self._driver.targets(1, since, until)})

    def trim(self, now: int) -> int:
        """Remove rows that are too old, then as many of the oldest of each level as there is no room for.

        Return how many there were, of which at most some thousands are removed at a time.
        """
        removed = sum(self._shorten(now, 1.0))
        part = 1.0
        while not removed and self._driver.used() > self.octets * _FILL and part > _SHORTEST:
            part *= _SHORTER
            removed = sum(self._shorten(now, part))
        if part < 1.0 or self._driver.used() < self.octets * _FILL * _SHORTER:
            self.shortened = part
        return removed

    def _shorten(self, now: int, part: float) -> Iterator[int]:
        for number, level in enumerate(self.levels):
            yield self._driver.drop(number, now - int(level.keep * part) - level.span, _SLICE)

    def oldest(self) -> list[int | None]:
        """Return the start of the oldest row of each level."""
        return [self._driver.oldest(level) for level in range(len(self.levels))]

    def used(self) -> int:
        """Return the octets that rows take."""
        return self._driver.used()

    def close(self) -> None:
        """Let go of the engine."""
        self._driver.close()

    def _known(self) -> dict[int, int]:
        if self._marks is None:
            self._marks = self._driver.marks()
        return self._marks

    def _next(self, level: int, now: int) -> int:
        """Return the start of the row of a level that is to be made next: times of which nothing is kept have none."""
        marks = self._known()
        if marks.get(level, 0) > now:
            marks.pop(level)  # the clock was set back
        mark = marks.get(level, 0)
        # What is not written yet, or not rolled up to the finer level, may still come.
        until = now - GRACE if level == 1 else self._next(level - 1, now)
        first = self._driver.oldest(level - 1, mark)
        earliest = until if first is None else min(first, until)
        return max(mark, earliest // self.levels[level].span * self.levels[level].span)

    def _pass_over(self, level: int, start: int) -> None:
        """Remember that nothing is kept of the time before a row, so that a host that was off does not count it all."""
        marks = self._known()
        if marks.get(level, start) < start:
            self._driver.put([], {level: start})
            marks[level] = start
