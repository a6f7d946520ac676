"""Workers take their share of new connections, and nobody waits for one that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from serai.services.edge.share import MAX_WORKERS, PATIENCE, STALE, TAKEN, Share


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Share, Share]:
    shares = (Share(tmp_path / "edge" / "connections", 0), Share(tmp_path / "edge" / "connections", 1))
    for share in shares:
        share.open(100.0)
    for share in shares:
        share.beat(100.0)
    return shares


def test_a_worker_that_is_ahead_leaves_the_next_connection_to_the_other(pair: tuple[Share, Share]) -> None:
    one, other = pair
    one.tell(2)
    assert one.wait() > 0
    assert other.wait() == 0
    other.tell(1)
    assert one.wait() == 0


def test_a_burst_is_shared_by_workers_that_look_in_turns(pair: tuple[Share, Share]) -> None:
    counts = [0, 0]
    for _ in range(64):
        for number, share in enumerate(pair):
            # Each takes as many as it may at a time, as one does that woke first.
            while sum(counts) < 64 and not share.wait():
                counts[number] += 1
                share.tell(counts[number])
    assert sum(counts) == 64
    assert max(counts) - min(counts) <= 8


def test_a_worker_that_takes_nothing_is_not_waited_for_for_long(pair: tuple[Share, Share]) -> None:
    one, _ = pair
    one.tell(50)
    for _ in range(3):
        assert all(one.wait() > 0 for _ in range(PATIENCE))
        assert not any(one.wait() for _ in range(TAKEN))


def test_a_worker_that_is_gone_is_not_waited_for(pair: tuple[Share, Share]) -> None:
    one, _ = pair
    one.tell(50)
    one.beat(101.0 + STALE)
    assert one.wait() == 0


def test_a_worker_that_drains_has_no_say_in_the_slot_of_the_next(pair: tuple[Share, Share], tmp_path: Path) -> None:
    one, other = pair
    one.tell(50)
    one.leave()
    new = Share(tmp_path / "edge" / "connections", 0)
    new.open(100.5)
    one.tell(49)
    one.beat(100.5)
    other.tell(2)
    assert one.wait() == 0
    assert new.wait() == 0
    assert other.wait() > 0


def test_a_worker_alone_and_one_too_many_take_what_comes(tmp_path: Path) -> None:
    for number in (0, MAX_WORKERS):
        share = Share(tmp_path / str(number), number)
        share.tell(5)
        share.beat(100.0)
        share.open(100.0)
        share.tell(1000)
        assert share.wait() == 0
