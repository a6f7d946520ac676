"""Cancels at any moment, under load: each task is over soon after, whatever it does just then, and whoever runs it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from serai.bus import Bus, Subscription
from serai.bus.memory import MemoryHub
from serai.errors import ConflictError, InternalError
from serai.store import NewTask, Store
from serai.store.open import open_store
from serai.store.tasks import FINAL
from serai.tasks import Filter, Registry, TaskContext, Tasks, task
from serai.tasks.bot import Bot, BotSettings
from serai.tasks.clock import ClockSettings, TaskClock

sys.path.append(str(Path(__file__).parent))  # where processes of isolated functions find these

pytestmark = pytest.mark.xdist_group("timed")  # one at a time: leases must be kept by who is well

STORM = 15.0  # seconds
#: Far beyond what a cancel may take here: heartbeat, time to stop, drain, and the lease of a bot that ended.
WAIT = 60.0
SETTINGS = BotSettings(concurrency=6, batch=50, poll=0.3, stop=0.6, drain=0.4, lease=3.0)
CLOCK = ClockSettings(lease=3.0)


@task("blip", short=True)
def blip(_ctx: TaskContext, arguments: dict[str, Any]) -> None:
    """Compute for a moment."""
    end = time.monotonic() + arguments["seconds"] / 100
    while time.monotonic() < end:
        pass


@task("wink", short=True)
async def wink(_ctx: TaskContext, arguments: dict[str, Any]) -> None:
    """Wait for a moment, which others of its batch wait for, too."""
    await asyncio.sleep(arguments["seconds"] / 20)


@task("turn", short=True)
def turn(_ctx: TaskContext, arguments: dict[str, Any]) -> Any:
    """Pass for one that computes, and then has to be awaited."""
    return asyncio.sleep(arguments["seconds"] / 20)


@task("nap")
async def nap(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    """Wait, and clean up slowly."""
    try:
        await asyncio.sleep(arguments["seconds"])
    finally:
        ctx.log("over")
        await asyncio.sleep(0.05)


@task("grind")
def grind(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    """Compute in a thread, and look now and then."""
    end = time.monotonic() + arguments["seconds"]
    while time.monotonic() < end:
        ctx.checkpoint()
        ctx.progress(0.5, "on")
        time.sleep(0.01)


@task("apart", isolated=True)
def apart(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    """Do so in a process."""
    grind.run(ctx, arguments)


@task("stone", isolated=True)
def stone(_ctx: TaskContext, arguments: dict[str, Any]) -> None:
    """React to nothing, in a process."""
    time.sleep(100 * arguments["seconds"])


@task("deaf")
async def deaf(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    """React to nothing: only the end of its bot's process ends it."""
    end = time.monotonic() + 20 * arguments["seconds"]
    while time.monotonic() < end and not ctx.resources["end"].is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)


FUNCTIONS = {one.name: one for one in (blip, wink, turn, nap, grind, deaf)}
PATHS = {name: f"test_cancel_storm:{name}" for name in ("apart", "stone")}
KINDS = (*("blip", "wink", "turn", "nap", "grind", "apart") * 4, "stone", "stone", "deaf")


class LossyBus:
    """A bus that loses every other message, and is late with others."""

    def __init__(self, inner: Bus, chance: random.Random) -> None:
        self._inner = inner
        self._chance = chance

    async def publish(self, subject: str, message: Any = None) -> None:
        if self._chance.random() < 0.5:
            await self._inner.publish(subject, message)

    async def subscribe(self, subject: str) -> Subscription:
        return await self._inner.subscribe(subject)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Storm:
    """Bots that come and go, tasks of all sorts, and people who cancel them."""

    def __init__(self, path: Path, seed: int) -> None:
        self.store: Store = open_store(path)
        self.chance = random.Random(seed)
        self.hub = MemoryHub()
        self.tasks = Tasks(self.store, LossyBus(self.hub.client(), self.chance))  # type: ignore[arg-type]
        self.names: list[str] = []
        self.asked: Counter[str] = Counter()
        self.ended = 0  # bots
        self.end = asyncio.Event()
        self.over = time.monotonic() + STORM

    async def bot(self, number: int) -> None:
        """Run one bot after the other, as the supervisor does."""
        ending = asyncio.create_task(self.end.wait())
        while not self.end.is_set():
            bus: Any = LossyBus(self.hub.client(), self.chance)
            made = Bot(
                self.store, bus, Registry({**FUNCTIONS, **PATHS}), name=f"bot{number}", settings=SETTINGS,
                resources={"end": self.end},
            )  # fmt: skip
            running = asyncio.create_task(made.run())
            patience = self.chance.expovariate(1 / 6) if time.monotonic() < self.over else None
            await asyncio.wait({running, ending}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            await asyncio.wait({running})
            if not running.cancelled() and (error := running.exception()) and not isinstance(error, InternalError):
                raise error
            self.ended += 1

    async def insert(self) -> None:
        """Keep some dozens of tasks alive."""
        while time.monotonic() < self.over:
            live = len(await self.tasks.find(Filter(state="to_do", limit=100)))
            kinds = self.chance.choices(KINDS, k=max(0, 40 - live))
            new = [NewTask(function=kind, arguments={"seconds": self.chance.expovariate(1)}) for kind in kinds]
            for index, one in enumerate(new):
                if self.chance.random() < 0.1:
                    new[index] = NewTask(function=one.function, arguments=one.arguments, channel="narrow")
            if new:
                self.names += await self.tasks.add_all("user:x", new)
            await asyncio.sleep(self.chance.expovariate(30))

    async def cancel(self) -> None:
        """Cancel what runs, or what waits, at any moment."""
        while time.monotonic() < self.over:
            state: Any = "is_processing" if self.chance.random() < 0.8 else "to_do"
            for one in await self.tasks.find(Filter(state=state, limit=20)):
                if self.chance.random() < 0.3:
                    with contextlib.suppress(ConflictError):
                        self.asked[await self.tasks.cancel("user:y", one.id)] += 1
            await asyncio.sleep(self.chance.expovariate(50))

    async def retry(self) -> None:
        """Run what was canceled again, while the bot that stopped it may still hear of that."""
        while time.monotonic() < self.over:
            for one in await self.tasks.find(Filter(state="canceled", limit=20)):
                if one.started and self.chance.random() < 0.2:
                    with contextlib.suppress(ConflictError):
                        await self.tasks.retry("user:z", one.id)
                        self.asked["retry"] += 1
            await asyncio.sleep(self.chance.expovariate(50))

    async def settle(self) -> None:
        """Cancel all that is left, and wait until it is over."""
        for name in self.names:
            with contextlib.suppress(ConflictError):
                self.asked[await self.tasks.cancel("user:y", name)] += 1
        for name in self.names:
            try:
                await self.tasks.wait(name, WAIT)
            except Exception:
                print(await self.tasks.get(name), await self.tasks.story(name), await self.tasks.bots())
                raise


@pytest.fixture
async def storm(tmp_path: Path) -> AsyncIterator[Storm]:
    made = Storm(tmp_path / "store.db", 1)
    clock = asyncio.create_task(TaskClock(made.store, settings=CLOCK).run())
    bots = [asyncio.create_task(made.bot(number)) for number in range(2)]
    yield made
    made.end.set()
    await asyncio.wait(bots)
    clock.cancel()
    await asyncio.gather(clock, *bots, return_exceptions=True)
    await made.store.close()


@pytest.mark.timeout(240)
async def test_whatever_is_cancelled_at_whatever_moment_is_soon_over(storm: Storm) -> None:
    await asyncio.gather(storm.insert(), storm.cancel(), storm.cancel(), storm.retry())
    await storm.settle()
    found = [await storm.tasks.get(name) for name in storm.names]
    assert {one.state for one in found} <= FINAL
    assert storm.asked["to_cancel"] > 100, "some were running"
    assert storm.ended > 2
    print(storm.asked, storm.ended, Counter((one.function, one.state) for one in found))
