"""Rates count the seconds that were looked at; quantiles come from folded buckets; gauges stand for a while."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from serai.daemon import figures as f
from serai.services.series.curves import curve, quantile, rounded
from serai.services.series.names import FIGURES
from serai.store.series import Point, fold
from serai.store.series.points import gauge

APP, HOST = FIGURES["app"], FIGURES["host"]


def looked(*seconds: int) -> dict[int, Point]:
    return {at * 10: {f.OBSERVED: count} for at, count in enumerate(seconds) if count}


def test_silence_is_nothing_and_a_gap_is_unknown() -> None:
    points: dict[int, Point] = {0: {2: 50, 5: 10}}
    assert curve(APP["requests"], [0, 10, 20], points, looked(10, 10, 0)) == [6, 0, None]
    assert curve(APP["errors"], [0, 10, 20], points, looked(10, 10, 0)) == [1, 0, None]


def test_a_rate_is_of_the_seconds_that_were_looked_at() -> None:
    assert curve(APP["requests.2xx"], [0, 10], {0: {2: 30}, 10: {2: 30}}, looked(10, 3)) == [3, 10]


def test_a_mean_is_of_the_requests_there_were() -> None:
    points: dict[int, Point] = {0: {2: 4, f.LATENCY: 1_000_000}}
    assert curve(APP["latency.mean"], [0, 10], points, looked(10, 10)) == [0.25, None]


def test_a_gauge_stands_until_it_is_measured_again_or_too_old() -> None:
    points: dict[int, Point] = {0: {f.CPU: gauge(1500)}, 30: {f.CPU: (2, 3000, 1000, 2000)}}
    times = list(range(0, 160, 10))
    assert curve(APP["cpu"], times, points, {})[:5] == [1.5, 1.5, 1.5, 1.5, 1.5]
    assert curve(APP["cpu.min"], times, points, {})[2:5] == [1.5, 1, 1]
    assert curve(APP["cpu.max"], times, points, {})[2:] == [1.5] + [2] * 10 + [None] * 3


@given(st.lists(st.floats(1e-4, 60), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_right_to_within_a_factor_of_two(seconds: list[float], part: float) -> None:
    points: list[Point] = [{f.BUCKETS + int(each * 16000).bit_length(): 1} for each in seconds]
    random.Random(1).shuffle(points)
    true = sorted(seconds)[max(0, -int(-len(seconds) * part // 1) - 1)]
    found = quantile(fold(points), part)
    assert found is not None
    assert true / 2.001 <= found <= true * 2.001


def test_no_requests_have_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert curve(APP["latency.p99"], [0], {0: {2: 0}}, looked(10)) == [None]


def test_numbers_are_as_short_as_they_can_be() -> None:
    assert [rounded(each) for each in (0.0, 3.0, 1 / 3, 123456789.0, 1234567.89, None)] == [
        0, 3, 0.33333, 123456789, 1234600.0, None,
    ]  # fmt: skip


def test_every_figure_can_be_drawn_of_everything_told() -> None:
    everything: Point = dict.fromkeys(range(f.BUCKETS + 20), 7) | {
        column: gauge(9) for column in range(1024, 1024 + 3 * f.MACHINE)
    }
    for names in FIGURES.values():
        for figure in names.values():
            [value] = curve(figure, [0], {0: everything}, looked(10))
            assert value is not None, figure.name
            assert figure.about.endswith(".")
