"""What the store keeps of its past."""

from __future__ import annotations

from serai.store import Put
from serai.store.conformance import Lamp
from serai.store.memory.driver import MemoryDriver
from serai.store.retention import DAY, PAUSE, STEP, Retention, Terms
from serai.store.store import Store

WHO, WHY = "user:ada", "to see"
TERMS = Terms(history_days=30, kinds={"lamp": 10}, versions=2, feed_days=3, feed_changes=5)


class Time:
    """A clock that others wind."""

    def __init__(self) -> None:
        self.now = 1000 * DAY
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_terms_are_days_of_a_kind_but_never_fewer_than_those_of_the_feed() -> None:
    keep = TERMS.keep(100 * DAY, 50)
    assert (keep.feed, keep.versions, keep.since, keep.kinds) == (45, 2, 70 * DAY, {"lamp": 90 * DAY})
    short = Terms(history_days=1, kinds={}, versions=1, feed_days=3, feed_changes=100)
    assert (short.keep(100 * DAY, 50).since, short.keep(100 * DAY, 50).feed) == (97 * DAY, 0)


async def test_a_sweep_removes_what_is_old_and_waits_between_its_steps() -> None:
    time = Time()
    store = Store(MemoryDriver(), now=time)
    retention = Retention(store, TERMS, now=time, sleep=time.sleep)
    assert await retention.sweep() == 0
    await store.change(WHO, WHY, [Put("ada", "desk", Lamp(watts=n)) for n in range(3 * STEP)])
    assert await retention.sweep() == 0
    time.now += 11 * DAY
    assert await retention.sweep() == 3 * STEP - 6  # the feed's five, and what its bound leaves out
    assert retention.first_change == 3 * STEP - 5
    assert set(time.slept) == {PAUSE}
    assert len(time.slept) >= 6
    await store.put(WHO, WHY, "ada", "hall", Lamp())
    assert (await store.get(Lamp, "ada", "desk")).version == 3 * STEP


async def test_a_clock_that_went_back_prunes_nothing() -> None:
    time = Time()
    store = Store(MemoryDriver(), now=time)
    await store.change(WHO, WHY, [Put("ada", "desk", Lamp(watts=n)) for n in range(100)])
    time.now -= 500 * DAY
    assert await Retention(store, TERMS, now=time, sleep=time.sleep).sweep() == 0
