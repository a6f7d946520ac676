"""Limits, rates and providers by themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serai.store.taskrows.gates import FIRST_PROBE, FULL_WIDTH, LONGEST_PROBE, NEVER, UNLIMITED, Gate
from serai.store.tasks import Rule


def limited(**rule: float | None) -> Gate:
    gate = Gate(scope="provider", name="p")
    gate.set(Rule(**rule), "user:x", "", 0.0)
    return gate


def test_a_gate_without_a_rule_lets_all_through() -> None:
    gate = limited()
    assert gate.room(0.0) == UNLIMITED
    assert not gate.in_force
    assert gate.empty


@given(
    rate=st.floats(0.1, 1000),
    per=st.sampled_from([1.0, 60.0, 3600.0]),
    burst=st.integers(1, 20),
    steps=st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_in_no_span_of_time_start_more_than_the_burst_and_the_rate(
    rate: float, per: float, burst: int, steps: list[float]
) -> None:
    gate, now = limited(rate=rate, per=per, burst=float(burst)), 0.0
    starts: list[tuple[float, int]] = []
    for step in steps:
        now += step
        room = gate.room(now)
        gate.start(list(range(room)))
        starts.append((now, room))
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            span = starts[last][0] - starts[first][0]
            assert sum(n for _, n in starts[first : last + 1]) <= burst + span * rate / per + 0.001


@given(rate=st.floats(0.01, 1000), per=st.sampled_from([1.0, 60.0, 3600.0]))
def test_when_a_rate_says_that_it_opens_there_is_room(rate: float, per: float) -> None:
    gate = limited(rate=rate, per=per, burst=1.0)
    gate.start([1])
    now = gate.opens(0.0)
    assert 0 < now < NEVER
    assert gate.room(now) >= 1


def test_a_rate_without_a_burst_takes_what_comes_in_a_second() -> None:
    assert limited(rate=6000.0, per=60.0).room(0.0) == 100
    assert limited(rate=1.0, per=3600.0).room(0.0) == 1


def test_probes_become_rarer_up_to_a_bound_and_a_clock_that_goes_back_delays_none() -> None:
    gate, now = limited(), 0.0
    gate.fail("bot:b", "refused", now)
    waits = []
    for number in range(1, 12):
        assert not gate.room(now)
        waits.append(gate.opens(now) - now)
        now = gate.opens(now)
        assert gate.room(now) == 1
        gate.start([number])
        assert (gate.room(now), gate.opens(now)) == (0, NEVER)
        gate.end(number, well=False, counted=True, who="bot:b", now=now)
    assert waits[0] == FIRST_PROBE
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_PROBE
    assert gate.opens(now - 1e6) <= now - 1e6 + LONGEST_PROBE


def test_a_provider_that_is_up_again_takes_twice_as_many_each_time_until_it_takes_all() -> None:
    gate = limited()
    gate.fail("bot:b", "refused", 0.0)
    gate.start([1])
    gate.end(1, well=True, counted=True, who="bot:b", now=5.0)
    widths = []
    while gate.state == "resuming":
        widths.append(gate.room(6.0))
        numbers = list(range(2, 2 + widths[-1]))
        gate.start(numbers)
        for number in numbers:
            gate.end(number, well=True, counted=True, who="bot:b", now=6.0)
    assert widths == [2**n for n in range(len(widths))]
    assert sum(widths) >= FULL_WIDTH
    assert (gate.state, gate.running, gate.room(6.0)) == ("up", 0, UNLIMITED)


def test_what_people_declare_no_probe_undoes() -> None:
    gate = limited()
    gate.fail("bot:b", "refused", 0.0)
    gate.start([7])
    gate.fail("user:x", "they move", 1.0, declared=True)
    gate.end(7, well=True, counted=True, who="bot:b", now=2.0)
    assert (gate.state, gate.opens(1e9), gate.room(1e9)) == ("down", NEVER, 0)
