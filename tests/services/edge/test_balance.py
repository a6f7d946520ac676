"""Which instance gets the next request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serai.services.edge.balance import MAX_EJECTION, Group, Member


def group(*outstanding: int) -> Group[Member]:
    made: Group[Member] = Group()
    for count in outstanding:
        member = Member(0.25)
        member.outstanding = count
        made.members.append(member)
    return made


def test_the_one_with_the_least_to_do_is_taken() -> None:
    made = group(3, 1, 2)
    assert made.pick(0.0) is made.members[1]


def test_equal_ones_take_turns() -> None:
    made = group(0, 0, 0)
    assert [made.members.index(made.pick(0.0)) for _ in range(6)] == [0, 1, 2, 0, 1, 2]


def test_nobody_is_taken_where_there_is_nobody() -> None:
    assert group().pick(0.0) is None


def test_who_fails_is_left_out_longer_each_time_until_it_answers() -> None:
    made = group(0, 0)
    bad, good = made.members
    now = 0.0
    for seconds in (0.25, 0.5, 1.0, 2.0):
        bad.failed(now)
        assert {made.pick(now + seconds - 0.01) for _ in range(4)} == {good}
        now += seconds
        assert {made.pick(now) for _ in range(4)} == {good, bad}
    bad.succeeded()
    bad.failed(now)
    assert made.pick(now + 0.26) in made.members
    assert bad.ejected_until == now + 0.25


def test_failures_with_the_same_cause_count_once() -> None:
    member = Member(0.25)
    for _ in range(100):
        member.failed(1.0)
    assert (member.failures, member.ejected_until) == (1, 1.25)


def test_who_is_to_be_avoided_is_taken_only_alone() -> None:
    made = group(0, 5)
    first, second = made.members
    assert made.pick(0.0, first) is second
    second.failed(0.0)
    assert made.pick(0.1, first) is first
    assert group(0).pick(0.0, Member(1.0)) is not None


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 10)), max_size=8), st.floats(0, 10))
def test_an_ejected_one_is_never_taken_and_a_usable_one_always_found(them: list[tuple[int, float]], now: float) -> None:
    made = group(*(count for count, _ in them))
    for member, (_, until) in zip(made.members, them, strict=True):
        member.ejected_until = until
    picked = made.pick(now)
    usable = [member for member in made.members if member.ejected_until <= now]
    assert (picked is None) == (not usable)
    if picked is not None:
        assert picked.outstanding == min(member.outstanding for member in usable)


def test_an_ejection_has_an_end() -> None:
    member = Member(0.25)
    for _ in range(50):
        member.failed(member.ejected_until)
    before = member.ejected_until
    member.failed(before)
    assert member.ejected_until - before == MAX_EJECTION
