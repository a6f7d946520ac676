"""Folding is exact, whatever the order and the grouping; rows come back as they were put."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError
from serai.store.series import GAUGES, Point, fold, ladder
from serai.store.series.codec import decode, encode
from serai.store.series.points import coarsen, gauge

VALUES = st.integers(0, 1 << 48)
POINTS = st.dictionaries(st.integers(0, 80), VALUES.filter(bool), max_size=6).flatmap(
    lambda sums: st.dictionaries(st.integers(GAUGES, GAUGES + 5), VALUES.map(gauge), max_size=4).map(
        lambda gauges: {**sums, **gauges}
    )
)
SECONDS = st.dictionaries(st.integers(0, 7199), POINTS, max_size=60)


def raw(points: dict[int, Any], since: int, until: int) -> Point:
    """Say what a time comes to, from single values alone."""
    values: dict[int, list[int]] = {}
    for when, point in points.items():
        if since <= when < until:
            for column, value in point.items():
                values.setdefault(column, []).append(value if column < GAUGES else value[1])
    return {
        column: sum(each) if column < GAUGES else (len(each), sum(each), min(each), max(each))
        for column, each in values.items()
    }


@given(st.lists(POINTS, max_size=12), st.randoms(use_true_random=False))
def test_points_fold_to_the_same_in_any_order_and_grouping(points: list[Point], random: Any) -> None:
    whole = fold(points)
    random.shuffle(points)
    cut = len(points) // 2
    assert fold([fold(points[:cut]), fold(points[cut:])]) == whole


@given(SECONDS)
def test_coarse_points_of_coarse_points_are_what_the_raw_values_come_to(seconds: dict[int, Any]) -> None:
    tens = coarsen(seconds, 10)
    hours = coarsen(coarsen(tens, 60), 3600)
    for points, step in ((tens, 10), (hours, 3600)):
        assert {when: point for when, point in points.items() if point} == {
            when: found for when in range(0, 7200, step) if (found := raw(seconds, when, when + step))
        }


@given(st.dictionaries(st.integers(0, 59), POINTS, max_size=60), st.booleans())
def test_a_row_holds_what_was_put_into_it(places: dict[int, Any], folded: bool) -> None:
    points = {1200 + place * 10: fold([point, point]) if folded else point for place, point in places.items()}
    assert decode(encode(points, 1200, 10), 1200, 10) == points


@given(st.binary(max_size=300))
def test_octets_that_are_no_row_are_a_gap(octets: bytes) -> None:
    for data in (octets, b"\x00" + octets, b"\x01" + octets):
        assert isinstance(decode(data, 0, 1), dict)


def test_a_row_that_would_fill_the_memory_is_a_gap() -> None:
    import zlib

    assert decode(b"\x01" + zlib.compress(bytes(64 << 20)), 0, 1) == {}


@pytest.mark.parametrize(
    "keep",
    [(600, 86400, 604800, 1 << 25), (3600, 3600, 604800, 1 << 25), (3600, 86400, 604800), (3600, 86400, 604800, 60)],
)
def test_levels_that_can_not_be_made_of_each_other_are_refused(keep: tuple[int, ...]) -> None:
    with pytest.raises(InvalidError):
        ladder(*keep)
