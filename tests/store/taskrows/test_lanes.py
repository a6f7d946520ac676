"""How a claim is shared between lanes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serai.store.taskrows.lanes import Turn, share

turns = st.lists(st.builds(Turn, st.integers(0, 20).map(float), st.integers(1, 5), st.integers(0, 30)), max_size=8)


@given(turns, st.integers(0, 60))
def test_all_places_are_given_while_a_lane_has_room(lanes: list[Turn], places: int) -> None:
    given_ = share(lanes, places)
    assert all(0 <= part <= lane.room for part, lane in zip(given_, lanes, strict=True))
    assert sum(given_) == min(places, sum(lane.room for lane in lanes))


@given(turns, st.integers(0, 60))
def test_nobody_is_more_than_one_task_ahead_of_who_could_go_on(lanes: list[Turn], places: int) -> None:
    after = [(lane.time + lane.step * part, part) for lane, part in zip(lanes, share(lanes, places), strict=True)]
    for mine, (time, part) in zip(lanes, after, strict=True):
        for other, (reached, got) in zip(lanes, after, strict=True):
            if part and got < other.room:
                assert time - mine.step <= reached, "a lane was served before one with a smaller time"


def test_a_tenant_with_many_lanes_gets_no_more_for_it() -> None:
    alone, many = Turn(0.0, 1, 1000), [Turn(0.0, 10, 1000) for _ in range(10)]
    parts = share([alone, *many], 200)
    assert 90 <= parts[0] <= 110
