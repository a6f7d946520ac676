"""Due times, against a plain search minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.errors import InvalidError
from serai.tasks.cron import Cron, parse

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def series(expression: str, start: str, count: int, zone: str = "UTC") -> list[str]:
    when, time, found = parse(expression, zone), at(start, zone), []
    for _ in range(count):
        time = when.next(time)
        found.append(datetime.fromtimestamp(time, ZoneInfo(zone)).isoformat(timespec="minutes"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/20 * * * *", ["2026-01-01T00:20", "2026-01-01T00:40", "2026-01-01T01:00"]),
        ("0 9-17/4 * * mon-fri", ["2026-01-01T09:00", "2026-01-01T13:00", "2026-01-01T17:00"]),
        ("30 4 1,15 * fri", ["2026-01-01T04:30", "2026-01-02T04:30", "2026-01-09T04:30", "2026-01-15T04:30"]),
        ("0 0 29 feb *", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("@daily", ["2026-01-02T00:00", "2026-01-03T00:00"]),
        ("0 0 * * 7", ["2026-01-04T00:00", "2026-01-11T00:00"]),
        ("5/20 * * * *", ["2026-01-01T00:05", "2026-01-01T00:25", "2026-01-01T00:45", "2026-01-01T01:05"]),
        ("every 6h", ["2026-01-01T06:00", "2026-01-01T12:00"]),
    ],
)
def test_expressions_mean_what_crontab_says(expression: str, expected: list[str]) -> None:
    found = series(expression, "2026-01-01T00:00", len(expected))
    assert [text.removesuffix("+00:00") for text in found] == expected


def test_a_time_that_the_clock_skips_is_due_when_it_has_passed() -> None:
    found = series("30 2 * * *", "2026-03-28T12:00", 2, BERLIN)
    assert found == ["2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]


def test_a_time_that_the_clock_repeats_is_due_once() -> None:
    found = series("30 2 * * *", "2026-10-24T12:00", 2, BERLIN)
    assert found == ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]


def test_a_wildcard_hour_goes_on_through_clock_changes() -> None:
    for start in ("2026-10-25T01:00", "2026-03-29T00:30"):
        when, time = parse("*/30 * * * *", BERLIN), at(start, BERLIN)
        for _ in range(8):
            following = when.next(time)
            assert following - time == 1800
            time = following


def test_the_thirtieth_of_february_never_comes() -> None:
    assert parse("0 0 30 2 *").next(0.0) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "*-5 * * * *",
        "a * * * *",
        "* * * * someday",
        "every 0s",
        "every 5",
        "@reboot",
        "1,,2 * * * *",
        "٣ * * * *",
        "*" * 300,
    ],
)
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse(text)


@pytest.mark.parametrize("zone", ["", "Nowhere/Town", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 300])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidError):
        parse("@daily", zone)


@given(st.text(max_size=40) | st.text(alphabet="*0123456789,-/ montue@every", max_size=30))
def test_any_text_is_a_schedule_or_invalid(text: str) -> None:
    try:
        when = parse(text)
    except InvalidError:
        return
    following = when.next(1_000_000_000.0)
    assert following is None or following > 1_000_000_000.0


def field(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high).map(str)
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda t: f"{min(t)}-{max(t)}")
    return st.one_of(
        st.just("*"), one, span, st.integers(1, 30).map(lambda n: f"*/{n}"), st.tuples(one, span).map(",".join)
    )


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)).map(" ".join),
    st.integers(0, 2_000_000_000),
    st.sampled_from(["UTC", BERLIN, "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata"]),
)
def test_next_is_the_first_minute_that_matches(expression: str, after: int, zone: str) -> None:
    when = parse(expression, zone)
    assert isinstance(when, Cron)
    found = when.next(float(after))
    searched = search(when, after, 4000)
    if searched is not None:
        # A skipped hour makes a time due that no minute of the wall clock shows.
        assert found is not None
        assert after < found <= searched
        assert found == searched or not matches(when, found)
    else:
        assert found is None or found > after
    if found is not None and matches(when, found):
        again = when.next(found - 0.001)
        assert again == found


def matches(when: Cron, time: float) -> bool:
    wall = datetime.fromtimestamp(time, when.zone)
    if wall.fold and not when.every_hour:
        return False
    of_month, of_week = wall.day in when.days, wall.isoweekday() % 7 in when.weekdays
    is_day = (of_month or of_week) if when.either else (of_month and of_week)
    return wall.minute in when.minutes and wall.hour in when.hours and wall.month in when.months and is_day


def search(when: Cron, after: int, minutes: int) -> float | None:
    moment = datetime.fromtimestamp(after, UTC).replace(second=0)
    for _ in range(minutes):
        moment += timedelta(minutes=1)
        if matches(when, moment.timestamp()):
            return moment.timestamp()
    return None
