"""When something is due: cron expressions, intervals and nicknames, as a pure calculation.

Five fields (minute, hour, day of month, month, day of week) as in crontab(5): lists, ranges, steps, names of months
and days; 7 is Sunday; where both day fields are restricted, either of them suffices. Times that a clock change
skips are due when the clock has passed them; times that it repeats are due once, but for a wildcard hour each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from serai.errors import InvalidError

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_INTERVAL = re.compile(r"every ([1-9][0-9]{0,7})([smhd])\Z")
_PART = re.compile(r"(\*|[0-9a-z]{1,3})(?:-([0-9a-z]{1,3}))?(?:/([0-9]{1,3}))?\Z")
_LENGTH = 256
_HORIZON = 366 * 9  # days: 29 February is at most eight years away
_LAST = datetime(9990, 1, 1, tzinfo=UTC).timestamp()


class Interval(msgspec.Struct, frozen=True):
    """Due at each multiple of ``seconds`` since the epoch, so that restarts and other hosts agree on it."""

    seconds: int

    def next(self, after: float) -> float | None:
        """Return the first time past ``after``."""
        return float((int(after // self.seconds) + 1) * self.seconds)


class Cron(msgspec.Struct, frozen=True):
    """Due where all fields match in the time zone."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool  # a matching day of month or of week suffices
    every_hour: bool
    zone: ZoneInfo

    def next(self, after: float) -> float | None:
        """Return the first time past ``after``, or None where there is none (30 February)."""
        if not 0 <= after < _LAST:
            return None
        # Repeated and skipped hours are at most a day's matter: begin one earlier and take the smallest.
        day = datetime.fromtimestamp(after, self.zone).date() - timedelta(days=1)
        for _ in range(_HORIZON):
            if self._is_day(day):
                due = min((time for time in self._times(day, after) if time > after), default=None)
                if due is not None:
                    return due
            day += timedelta(days=1)
        return None

    def _is_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return of_month or of_week if self.either else of_month and of_week

    def _times(self, day: date, after: float) -> Iterator[float]:
        for hour in self.hours:
            for fold in (0, 1) if self.every_hour else (0,):
                end = datetime(day.year, day.month, day.day, hour, 59, fold=fold, tzinfo=self.zone)
                if end.timestamp() + 7200 < after:
                    continue
                for minute in self.minutes:
                    yield end.replace(minute=minute).timestamp()


When = Interval | Cron


def parse(expression: str, zone: str = "UTC") -> When:
    """Return what a text means: ``*/5 8-18 * * mon-fri``, ``@daily``, ``every 90s``; `InvalidError` otherwise."""
    text = expression.strip().lower() if len(expression) <= _LENGTH else ""
    if match := _INTERVAL.match(text):
        return Interval(int(match[1]) * _UNITS[match[2]])
    fields = _NICKNAMES.get(text, text).split()
    if len(fields) != 5:
        raise InvalidError("A schedule is five cron fields, @daily or its like, or «every 15m».", path="when")
    minutes = _field(fields[0], 0, 59)
    hours = _field(fields[1], 0, 23)
    days = _field(fields[2], 1, 31)
    months = _field(fields[3], 1, 12, _MONTHS, base=1)
    weekdays = {day % 7 for day in _field(fields[4], 0, 7, _DAYS)}
    return Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(weekdays),
        either=not fields[2].startswith("*") and not fields[4].startswith("*"),
        every_hour=fields[1].startswith("*"),
        zone=_zone(zone),
    )


def check(expression: str, zone: str = "UTC") -> None:
    """Refuse what `parse` refuses, and a time that never comes. `InvalidError` with ``path`` "when" or "zone"."""
    _zone(zone)  # which an interval does not need
    if parse(expression, zone).next(0.0) is None:
        raise InvalidError("That time never comes.", path="when")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidError("There is no such time zone.", path="zone") from error


def _field(text: str, low: int, high: int, names: list[str] | None = None, base: int = 0) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.match(part)
        if match is None or (match[1] == "*" and match[2]):
            raise InvalidError(f"A schedule's field can't be {part[:20]!r}.", path="when")
        start = low if match[1] == "*" else _value(match[1], low, high, names, base)
        end = start if not match[3] else high
        if match[1] == "*":
            end = high
        elif match[2]:
            end = _value(match[2], low, high, names, base)
        step = int(match[3] or 1)
        if step < 1 or end < start:
            raise InvalidError(f"A schedule's field can't be {part[:20]!r}.", path="when")
        found.update(range(start, end + 1, step))
    return found


def _value(text: str, low: int, high: int, names: list[str] | None, base: int) -> int:
    value = names.index(text) + base if names and text in names else int(text) if text.isdecimal() else -1
    if not low <= value <= high:
        raise InvalidError(f"A schedule's field goes from {low} to {high}, not {text[:20]!r}.", path="when")
    return value
