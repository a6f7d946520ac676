"""A bot listens to the store and to the bus; who is not told first looks a little later, and nobody looks in vain."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from serai.bus.memory import MemoryHub
from serai.store.memory.driver import MemoryDriver
from serai.tasks import herald, subjects
from serai.tasks.herald import Herald

WAIT = 20.0


class Telling(MemoryDriver):
    """An engine that tells of work when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.tell: Callable[[str], None] = lambda _: None

    async def listen_for_work(self, _queues: Sequence[str], heard: Callable[[str], None]) -> None:
        self.tell = heard
        await asyncio.get_running_loop().create_future()


class Woken:
    """Counts."""

    def __init__(self) -> None:
        self.times = 0
        self.event = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self.event.set()


@pytest.fixture
async def start() -> Any:
    running: list[asyncio.Task[None]] = []

    async def begin(driver: MemoryDriver, hub: MemoryHub) -> Woken:
        woken = Woken()
        made = Herald(driver, hub.client(), ("any",), name=lambda: "me", wake=woken, cancel=lambda _: None)
        running.extend(asyncio.create_task(helper) for helper in made.helpers())
        async with asyncio.timeout(WAIT):
            while not hub.subscriptions[subjects.NEW]:
                await asyncio.sleep(0)
        return woken

    yield begin
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_who_is_told_first_looks_at_once_and_who_is_not_a_little_later(start) -> None:
    driver = Telling()
    woken = await start(driver, MemoryHub())
    driver.tell("me")
    driver.tell("")
    assert woken.times == 2
    driver.tell("other")
    driver.tell("other")
    assert woken.times == 2
    woken.event.clear()
    async with asyncio.timeout(WAIT):
        await woken.event.wait()
    assert woken.times == 3


async def test_what_the_bus_says_of_a_queue_comes_later_where_the_store_told_it_already(start, monkeypatch) -> None:
    monkeypatch.setattr(herald, "_HEAD_START", 3600.0)
    driver, hub = Telling(), MemoryHub()
    woken, bus = await start(driver, hub), hub.client()
    driver.tell("")
    await bus.publish(subjects.NEW, "any")
    await bus.publish(subjects.NEW, "other")
    await bus.publish(subjects.NEW, None)  # about what the store says nothing of
    async with asyncio.timeout(WAIT):
        while woken.times < 2:
            await asyncio.sleep(0)
    assert woken.times == 2


async def test_where_the_store_tells_nothing_the_bus_does_at_once(start, monkeypatch) -> None:
    monkeypatch.setattr(herald, "_HEAD_START", 3600.0)
    hub = MemoryHub()
    woken = await start(MemoryDriver(), hub)
    await hub.client().publish(subjects.NEW, "any")
    async with asyncio.timeout(WAIT):
        await woken.event.wait()
