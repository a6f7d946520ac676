"""An app's last hour by minutes: what happened in it, wherever the hour stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serai.services.series.lately import Board, Lately
from serai.store.series.points import gauge

BEGIN = 1_700_006_400


@given(st.lists(st.tuples(st.integers(0, 5 * 3600), st.integers(0, 50)), max_size=60), st.sampled_from([1, 12, 30, 60]))
def test_the_last_hour_is_what_was_counted_in_it(told: list[tuple[int, int]], points: int) -> None:
    lately, now = Lately(), BEGIN + max((at for at, _ in told), default=0)
    for at, count in sorted(told):
        lately.add(BEGIN + at // 10 * 10, {2: count, 5: count})
    requests, errors = lately.hour(now, points)
    assert len(requests) == len(errors) == points
    width = 60 // points
    first = now // 60 - 59
    for part in range(points):
        begin = (first + part * width) * 60
        inside = [count for at, count in told if begin <= BEGIN + at // 10 * 10 < begin + width * 60]
        seconds = min(width * 60, now + 1 - begin)
        assert abs(requests[part] - 2 * sum(inside) / seconds) <= 1e-4 * max(1, requests[part])
        assert abs(errors[part] - sum(inside) / seconds) <= 1e-4 * max(1, errors[part])


def test_an_hour_later_nothing_is_left() -> None:
    lately = Lately()
    lately.add(BEGIN, {2: 9})
    assert sum(lately.hour(BEGIN + 3600, 60)[0]) == 0
    lately.add(BEGIN + 2 * 86400, {2: 3})
    assert sum(lately.hour(BEGIN + 2 * 86400 + 59, 60)[0]) == 0.05


def test_a_clock_that_was_set_back_costs_no_more_than_what_it_told_wrong() -> None:
    board = Board()
    for start in (BEGIN + 365 * 86400, BEGIN):
        board.window(start, {"a/b": {start: {2: 60}}})
    board.window(BEGIN + 365 * 86400, {"a/c": {BEGIN: {2: 1}}})
    found = board.get("a/b")
    assert found is not None
    assert sum(found.hour(BEGIN + 59, 60)[0]) == 1
    board.forget(BEGIN)
    assert list(board.targets()) == ["a/b"]


def test_a_board_knows_who_was_visited_and_forgets_who_no_longer_is() -> None:
    board = Board()
    board.window(BEGIN, {"a/b": {BEGIN: {2: 1}}, "a": {BEGIN: {2: 1}}, "a/idle": {BEGIN: {1024: gauge(1)}}})
    assert list(board.targets()) == ["a/b"]
    board.restore("c/d", {BEGIN - 1800: {2: 600}})
    found = board.get("c/d")
    assert found is not None
    assert 10 in found.hour(BEGIN, 60)[0]
    board.forget(BEGIN + 1900)
    assert list(board.targets()) == ["a/b"]
