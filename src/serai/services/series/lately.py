"""How each app does, at a glance: its last ten seconds, and its last hour by minutes; in memory. No I/O, no clock."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping

from serai.daemon import figures
from serai.services.series.curves import number, rounded
from serai.services.series.names import ALL_REQUESTS
from serai.store.series import GAUGES, Point, fold

MINUTES = 60
MINUTE = 60
_LARGEST = (1 << 32) - 1  # of what an array's item holds


Rates = list[int | float]


class Lately:
    """One target: requests and errors of each of the last minutes, and the last window of seconds."""

    __slots__ = ("_counts", "_minute", "point", "start")

    def __init__(self) -> None:
        self._counts = array("I", bytes(8 * MINUTES))  # requests, then errors, each by minute modulo 60
        self._minute = 0
        self.start = 0  # of the last window that had anything
        self.point: Point = {}

    def add(self, start: int, point: Point) -> None:
        """Count what happened from ``start``; what was an hour before is forgotten, as is what a clock told wrong."""
        minute = start // MINUTE
        if minute <= self._minute - MINUTES:  # windows come in order: the clock was set back
            self._minute = 0
        if minute > self._minute:
            self._turn(minute)
        at = minute % MINUTES
        requests = sum(number(point, column) for column in ALL_REQUESTS)
        errors = number(point, figures.REQUESTS + 5)
        self._counts[at] = min(_LARGEST, self._counts[at] + requests)
        self._counts[MINUTES + at] = min(_LARGEST, self._counts[MINUTES + at] + errors)

    def _turn(self, minute: int) -> None:
        for each in range(max(self._minute + 1, minute - MINUTES + 1), minute + 1):
            self._counts[each % MINUTES] = self._counts[MINUTES + each % MINUTES] = 0
        self._minute = minute

    def hour(self, now: int, points: int) -> tuple[Rates, Rates]:
        """Return requests and errors a second over the hour until now: each of ``points`` (a part of 60) values."""
        last = now // MINUTE
        first = last - MINUTES + 1
        width = MINUTES // points
        rates: tuple[Rates, Rates] = ([], [])
        for part, curve in enumerate(rates):
            for begin in range(first, last + 1, width):
                minutes = (
                    each for each in range(begin, begin + width) if self._minute - MINUTES < each <= self._minute
                )
                total = sum(self._counts[part * MINUTES + each % MINUTES] for each in minutes)
                # The last minute is not over yet.
                seconds = width * MINUTE - (MINUTE - now % MINUTE - 1 if begin + width > last else 0)
                curve.append(rounded(total / seconds) or 0)
        return rates

    @property
    def minute(self) -> int:
        """Return the last minute in which anything happened, since the epoch."""
        return self._minute


class Board:
    """All apps that did anything in the last hour."""

    def __init__(self) -> None:
        self._apps: dict[str, Lately] = {}

    def window(self, start: int, points: Mapping[str, Mapping[int, Point]]) -> None:
        """Take a window of seconds of all targets."""
        for target, seconds in points.items():
            if "/" in target:
                point = fold(seconds.values())
                lately = self._apps.get(target)
                if lately is None:
                    if min(point, default=GAUGES) >= GAUGES:
                        continue  # it runs, and nobody visits it
                    lately = self._apps[target] = Lately()
                lately.add(start, point)
                lately.start, lately.point = start, point

    def restore(self, target: str, minutes: Mapping[int, Point]) -> None:
        """Take what is known of an app's last hour from before."""
        if "/" in target:
            lately = self._apps.setdefault(target, Lately())
            for start, point in minutes.items():
                lately.add(start, point)

    def get(self, target: str) -> Lately | None:
        """Return an app's last hour, None where nothing happened in it."""
        return self._apps.get(target)

    def forget(self, now: int) -> None:
        """Forget who did nothing for an hour."""
        last = now // MINUTE
        # Not those either that are seen in an hour to come: the clock was set back.
        there = range(last - MINUTES + 1, last + MINUTES)
        self._apps = {target: each for target, each in self._apps.items() if each.minute in there}

    def targets(self) -> Iterator[str]:
        """Yield their names."""
        yield from self._apps
