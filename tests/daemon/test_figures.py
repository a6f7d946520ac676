"""Who counts tells what is new, in messages that the bus takes, and gauges only where a plot would show it."""

from __future__ import annotations

import asyncio
from typing import Any

from serai.bus.open import open_bus
from serai.daemon import figures
from serai.daemon.testing import FakeClock


async def test_what_is_much_is_told_in_parts() -> None:
    bus = open_bus("memory:")
    heard = await bus.subscribe(figures.SUBJECT)
    sums: list[Any] = [(f"t{number}", "app", {2: number}) for number in range(2500)]
    await figures.tell(bus, "edge.0", sums, [("a", "b", {1024: 1})])
    parts = []
    async for _, message in heard:
        parts.append(message)
        if len(parts) == 3:
            break
    assert [len(part[1]) for part in parts] == [1000, 1000, 500]
    assert [len(part[2]) for part in parts] == [1, 0, 0]


def test_gauges_are_told_when_they_change_and_now_and_then() -> None:
    clock = FakeClock()
    changed = figures.Changed(clock)
    one, other = ("a", "x"), ("a", "y")
    assert changed.fresh({one: {1024: 1000}, other: {1024: 5}}) == [(*one, {1024: 1000}), (*other, {1024: 5})]
    clock.advance(15)
    assert changed.fresh({one: {1024: 1005}, other: {1024: 7}}) == [(*other, {1024: 7})]
    clock.advance(15)
    assert changed.fresh({one: {1024: 1005}}) == [(*other, {})]
    clock.advance(15)
    assert changed.fresh({one: {1024: 1005, 1025: 1}}) == [(*one, {1024: 1005, 1025: 1})]
    clock.advance(figures.AGAIN)
    assert changed.fresh({one: {1024: 1005, 1025: 1}}) == [(*one, {1024: 1005, 1025: 1})]
    assert changed.fresh({}) == [(*one, {})]
    assert changed.fresh({}) == []


async def test_work_is_done_once_at_each_whole_second() -> None:
    clock, moments = FakeClock(1000.25), list[float]()

    async def work() -> None:
        moments.append(clock.now())

    task = asyncio.create_task(figures.each_second(clock, work))
    for _ in range(14):
        await asyncio.sleep(0)
        clock.advance(0.25)
    await asyncio.sleep(0)
    task.cancel()
    assert moments == [1001.0, 1002.0, 1003.0]
