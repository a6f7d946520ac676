"""Cron expressions, and what they make due."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError
from serai.services.apps import recurrence
from serai.services.apps.cron import parse
from serai.services.apps.descriptors import App, Recurring, Release

START = datetime(2026, 1, 1)  # noqa: DTZ001  a wall clock's time


def times(text: str, days: int = 1) -> list[str]:
    cron = parse(text)
    moments = (START + timedelta(minutes=minute) for minute in range(days * 1440))
    return [moment.strftime("%a %d %H:%M") for moment in moments if cron.matches(moment)]


def test_each_form_of_a_field_is_understood() -> None:
    assert times("30 4 * * *") == ["Thu 01 04:30"]
    assert times("0 */6 * * *") == ["Thu 01 00:00", "Thu 01 06:00", "Thu 01 12:00", "Thu 01 18:00"]
    assert times("0,30 9-10 * * *") == ["Thu 01 09:00", "Thu 01 09:30", "Thu 01 10:00", "Thu 01 10:30"]
    assert times("50/5 0 * * *") == ["Thu 01 00:50", "Thu 01 00:55"]
    assert times("0 0 * JAN mon", 10) == ["Mon 05 00:00"]
    assert times("0 0 * * 7", 10) == times("0 0 * * 0", 10) == ["Sun 04 00:00"]


def test_either_of_two_restricted_days_is_enough() -> None:
    assert times("0 0 3 * mon", 7) == ["Sat 03 00:00", "Mon 05 00:00"]
    assert times("0 0 */3 * mon", 14) == [], "no Monday among them: a starred day does not count as restricted"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "*/0 * * * *",
        "5-1 * * * *",
        "*-3 * * * *",
        "x * * * *",
        "1,,2 * * * *",
        "-1 * * * *",
        "* * L * *",
    ],
)
def test_what_can_never_be_or_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse(text)


@given(st.text(alphabet="0123456789*/,- abcjanmon?#L", max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidError):
        parse(text)


def due(command: Recurring, before: float, now: float) -> list[str]:
    release = Release(app="hello", number=3, blob="", created=0, recurring={"clean": command})
    live = recurrence.Live("demo", App(host="h", live={"prod": 3}), release)
    return [task.key for task in recurrence.due([live], before, now)]


def test_a_command_is_due_once_in_its_minute() -> None:
    command = Recurring(argv=("x",), cron="* * * * *")
    assert due(command, 0, 59) == []
    assert due(command, 59, 60) == ["recurring:hello:clean:1970-01-01T00:01"]
    assert due(command, 60, 61) == []


def test_what_was_missed_is_not_made_up_for() -> None:
    assert len(due(Recurring(argv=("x",), cron="* * * * *"), 0, 86400)) <= 2


def test_intervals_count_from_the_epoch() -> None:
    command = Recurring(argv=("x",), every=30)
    assert due(command, 29, 30) == ["recurring:hello:clean:1"]
    assert due(command, 30, 59) == []
    assert due(command, 31, 95) == ["recurring:hello:clean:3"], "one for all that were missed"


def test_an_hour_that_comes_twice_has_one_name() -> None:
    # Berlin, 25 October 2026: 02:30 is at 00:30 and again at 01:30 UTC.
    command = Recurring(argv=("x",), cron="30 2 * * *", time_zone="Europe/Berlin")
    first, second = (datetime.fromisoformat(f"2026-10-25T0{hour}:30:00+00:00").timestamp() for hour in (0, 1))
    assert due(command, first - 1, first) == due(command, second - 1, second) != []


def test_unknown_zones_and_malformed_expressions_are_refused() -> None:
    recurrence.check(Recurring(argv=("x",), cron="0 0 * * *", time_zone="Europe/Berlin"))
    for bad in (
        Recurring(argv=("x",), cron="0 0 * *"),
        Recurring(argv=("x",), every=1, time_zone="Mars/Base"),
        Recurring(argv=("x",), every=1, time_zone="../etc/passwd"),
        Recurring(argv=("x",), every=1, time_zone="posixrules.x"),
    ):
        with pytest.raises(InvalidError):
            recurrence.check(bad)
