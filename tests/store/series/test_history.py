"""What was written is read at any level, before and after it was rolled up; the oldest goes where there is no room."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.errors import ExhaustedError
from serai.store.memory.series import MemorySeries
from serai.store.series import GAUGES, History, Point, ladder
from serai.store.series.driver import Row
from serai.store.series.points import coarsen, gauge

HOUR, DAY = 3600, 86400
LEVELS = ladder(HOUR, DAY, 7 * DAY, 365 * DAY)
BEGIN = 1_700_006_400 // DAY * DAY


def history(octets: int = 1 << 30, driver: MemorySeries | None = None) -> History:
    return History(driver or MemorySeries(octets), LEVELS, octets)


def record(kept: History, seconds: dict[int, Point], target: str = "a/b") -> None:
    windows: dict[int, dict[int, Point]] = {}
    for when, point in seconds.items():
        windows.setdefault(when - when % 10, {})[when] = point
    for start, points in windows.items():
        kept.write(start, {target: points})


def roll(kept: History, now: int, most: int = 100) -> None:
    while kept.roll(now, most):
        pass


POINT = st.fixed_dictionaries({}, optional={1: st.integers(1, 1000), GAUGES: st.integers(0, 10**9).map(gauge)})
TIMES = st.integers(BEGIN, BEGIN + 3 * HOUR)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TIMES, POINT, max_size=40), st.lists(TIMES, max_size=4), st.sampled_from([1, 100]))
def test_all_levels_tell_the_same_whenever_they_were_rolled_up(
    seconds: dict[int, Any], rolled: list[int], most: int
) -> None:
    kept, moments = history(), sorted(rolled)
    for start in sorted({when - when % 10 for when in seconds}):
        while moments and moments[0] <= start:
            roll(kept, moments.pop(0), most)
        kept.write(start, {"a/b": {when: seconds[when] for when in range(start, start + 10) if when in seconds}})
    until = BEGIN + 3 * HOUR + 60
    for number, level in enumerate(LEVELS):
        want = {when: point for when, point in sorted(coarsen(seconds, level.step).items()) if point}
        found = kept.read("a/b", number, BEGIN, until)
        assert {when: point for when, point in found.items() if point} == want


def test_a_row_that_is_not_over_is_read_from_the_finer_level_and_from_what_is_not_written() -> None:
    kept = history()
    record(kept, {BEGIN + at: {1: 1} for at in range(1500)})
    roll(kept, BEGIN + 1500)
    pending: dict[int, Point] = {BEGIN + at: {1: 1} for at in range(1500, 1505)}
    minutes = kept.read("a/b", 2, BEGIN, BEGIN + 1505, pending)
    assert minutes == {BEGIN + at * 60: {1: 60} for at in range(25)} | {BEGIN + 1500: {1: 5}}
    assert kept.read("a/b", 3, BEGIN, BEGIN + 1505, pending) == {BEGIN: {1: 1505}}


def test_rolling_up_goes_on_after_a_restart_where_it_was() -> None:
    driver = MemorySeries(1 << 30)
    kept = history(driver=driver)
    for name in ("a", "b", "c"):
        record(kept, {BEGIN + at: {1: 1} for at in range(0, 1200, 60)}, name)
    assert kept.roll(BEGIN + 1300, 2)
    again = history(driver=driver)
    roll(again, BEGIN + 1300)
    assert driver.marks()[1] == BEGIN + 1200
    for name in ("a", "b", "c"):
        assert sum(point[1] for point in again.read(name, 1, BEGIN, BEGIN + 1300).values()) == 20  # type: ignore[misc]
        assert [start for start, _ in driver.get(1, name, [BEGIN, BEGIN + 600])] == [BEGIN, BEGIN + 600]


def test_a_year_of_hours_outlives_the_seconds() -> None:
    kept = history()
    for day in range(3):
        record(kept, {BEGIN + day * DAY + at * HOUR: {1: 7} for at in range(24)})
        now = BEGIN + (day + 1) * DAY
        roll(kept, now + 600)
        while kept.trim(now + 600):
            pass
    assert kept.read("a/b", 0, BEGIN, BEGIN + DAY) == {}
    hours = kept.read("a/b", 3, BEGIN, BEGIN + 3 * DAY)
    assert hours == {BEGIN + at * HOUR: {1: 7} for at in range(72)}


def test_what_there_is_no_room_for_goes_from_each_level_the_oldest_first() -> None:
    kept = history(60_000)
    for at in range(0, 2 * HOUR, 10):
        now = BEGIN + at
        try:
            kept.write(
                now, {f"a/{name}": {now + second: {1: at + 1, 7: at * 31} for second in range(10)} for name in "xyz"}
            )
        except ExhaustedError:
            pytest.fail("trimming makes room in time")
        roll(kept, now)
        while kept.trim(now):
            pass
    assert kept.used() <= 60_000
    assert 0.02 < kept.shortened < 1.0
    assert kept.read("a/x", 0, now - 60, now)
    oldest = kept.oldest()
    assert oldest[0] is not None
    assert BEGIN < oldest[0] < now


def test_a_clock_that_was_set_back_does_no_harm() -> None:
    kept = history()
    record(kept, {BEGIN + 10 * DAY + at: {1: 1} for at in range(700)})
    roll(kept, BEGIN + 10 * DAY + 700)
    record(kept, {BEGIN + at: {1: 1} for at in range(700)})
    roll(kept, BEGIN + 700)
    assert kept.read("a/b", 1, BEGIN, BEGIN + 700)[BEGIN] == {1: 10}
    assert kept.roll(BEGIN + 700, 10) is False


def test_a_host_that_was_off_for_a_month_goes_on_at_once() -> None:
    driver = MemorySeries(1 << 30)
    kept = history(driver=driver)
    record(kept, {BEGIN + at: {1: 1} for at in range(2 * HOUR)})
    roll(kept, BEGIN + 2 * HOUR)
    back = BEGIN + 30 * DAY
    kept = history(driver=driver)
    record(kept, {back + at: {1: 1} for at in range(20)})
    assert sum(1 for _ in iter(lambda: kept.roll(back + 20, 100), False)) < 50
    assert sum(point[1] for point in kept.read("a/b", 3, BEGIN, back + 20).values()) == 2 * HOUR + 20  # type: ignore[misc]
    record(kept, {back + at: {1: 1} for at in range(20, 2 * HOUR)})
    roll(kept, back + 2 * HOUR + 300)
    assert [point for _, point in sorted(kept.read("a/b", 3, back, back + 2 * HOUR).items())] == [{1: HOUR}] * 2
    assert sum(point[1] for point in kept.read("a/b", 1, back, back + 2 * HOUR).values()) == 2 * HOUR  # type: ignore[misc]


def test_what_is_written_a_little_late_is_rolled_up_too() -> None:
    kept = history()
    record(kept, {BEGIN + at: {1: 1} for at in range(600)})
    roll(kept, BEGIN + 700)
    roll(kept, BEGIN + 5 * HOUR + 2)  # nothing was told for hours, and the row before has just ended
    record(kept, {BEGIN + 5 * HOUR - 10 + at: {1: 1} for at in range(10)})
    roll(kept, BEGIN + 5 * HOUR + 700)
    assert kept.read("a/b", 1, BEGIN + 4 * HOUR, BEGIN + 5 * HOUR) == {BEGIN + 5 * HOUR - 10: {1: 10}}


def test_a_row_that_an_earlier_process_began_is_added_to() -> None:
    driver = MemorySeries(1 << 30)
    history(driver=driver).write(BEGIN, {"a/b": {BEGIN: {1: 1}, BEGIN + 3: {1: 2}}})
    again = history(driver=driver)
    again.write(BEGIN, {"a/b": {BEGIN + 3: {1: 5}, BEGIN + 7: {1: 3}}, "c": {BEGIN + 8: {1: 1}}})
    assert again.read("a/b", 0, BEGIN, BEGIN + 10) == {BEGIN: {1: 1}, BEGIN + 3: {1: 7}, BEGIN + 7: {1: 3}}
    assert again.read("c", 1, BEGIN, BEGIN + 10) == {BEGIN: {1: 1}}


class Broken(MemorySeries):
    full = False

    def put(self, rows: Any, marks: dict[int, int]) -> None:
        if self.full:
            raise ExhaustedError("full")
        super().put(rows, marks)


def test_a_row_that_could_not_be_rolled_up_is_rolled_up_later() -> None:
    driver = Broken(1 << 30)
    kept = history(driver=driver)
    record(kept, {BEGIN + at: {1: 1} for at in range(600)})
    driver.full = True
    with pytest.raises(ExhaustedError):
        kept.roll(BEGIN + 700, 10)
    driver.full = False
    roll(kept, BEGIN + 700)
    assert driver.get(1, "a/b", [BEGIN])


def test_a_damaged_row_is_a_gap() -> None:
    driver = MemorySeries(1 << 30)
    kept = history(driver=driver)
    record(kept, {BEGIN + at: {1: 1} for at in range(30)})
    driver.put([Row(0, BEGIN + 10, "a/b", b"\x01nonsense")], {})
    assert set(kept.read("a/b", 0, BEGIN, BEGIN + 30)) == {*range(BEGIN, BEGIN + 10), *range(BEGIN + 20, BEGIN + 30)}
