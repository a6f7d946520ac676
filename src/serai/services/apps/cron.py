"""Cron expressions of five fields: minute, hour, day of month, month, day of week. Pure.

As crontab(5) has them: ``*``, numbers, names of months and days, ranges, steps and lists. Where both days are
restricted, either is enough. Sunday is 0 and 7.
"""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from serai.errors import InvalidError

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
#: Name, smallest, largest, names and the number of the first.
_FIELDS: tuple[tuple[str, int, int, list[str], int], ...] = (
    ("minute", 0, 59, [], 0),
    ("hour", 0, 23, [], 0),
    ("day of month", 1, 31, [], 0),
    ("month", 1, 12, _MONTHS, 1),
    ("day of week", 0, 7, _DAYS, 0),
)
_PART = re.compile(r"(?P<first>\*|[0-9]{1,2}|[a-z]{3})(?:-(?P<last>[0-9]{1,2}|[a-z]{3}))?(?:/(?P<step>[0-9]{1,2}))?\Z")


class Cron(msgspec.Struct, frozen=True):
    """When a command runs: what each field allows; ``either``: both kinds of day are restricted."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def matches(self, moment: datetime) -> bool:
        """Say whether it runs in the minute of ``moment``, a wall clock's time."""
        by_date, by_week = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and (by_date or by_week if self.either else by_date and by_week)
        )


def parse(text: str) -> Cron:
    """Read an expression. `InvalidError` says which field is wrong."""
    words = text.lower().split()
    if len(words) != len(_FIELDS):
        raise InvalidError("A cron expression has five fields.", path="cron")
    minutes, hours, days, months, weekdays = (_field(word, *field) for word, field in zip(words, _FIELDS, strict=True))
    return Cron(
        minutes,
        hours,
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        either=not words[2].startswith("*") and not words[4].startswith("*"),
    )


def _field(word: str, name: str, least: int, most: int, names: list[str], base: int) -> frozenset[int]:
    allowed: set[int] = set()
    for part in word.split(","):
        match = _PART.match(part)
        if match is None:
            raise InvalidError(f"The {name} of a cron expression can't be {part!r}.", path="cron")
        step = int(match["step"] or 1)
        if match["first"] == "*":
            first, last = least, most
        else:
            first = _number(match["first"], names, base)
            # crontab(5): a step without a range goes on to the end.
            last = _number(match["last"], names, base) if match["last"] else (most if match["step"] else first)
        if not (least <= first <= last <= most and step >= 1 and not (match["first"] == "*" and match["last"])):
            raise InvalidError(f"The {name} of a cron expression can't be {part!r}.", path="cron")
        allowed.update(range(first, last + 1, step))
    return frozenset(allowed)


def _number(word: str, names: list[str], base: int) -> int:
    if word in names:
        return names.index(word) + base
    return int(word) if word.isdecimal() else -1
