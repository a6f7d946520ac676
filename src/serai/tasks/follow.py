"""Follow tasks as they go: one with its log, or all that a filter names.

What the bus says is only when to look; what is told is read from the store. A slow follower holds one batch: while it
does not ask for the next, nudges of the same tasks fall into one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from serai.bus import Bus, Subscription
from serai.errors import NotFoundError
from serai.store.tasks import FINAL, Filter, LogLine, Task
from serai.tasks import subjects
from serai.tasks.manager import Tasks

POLL = 5.0  # seconds between looks where the bus is silent: a nudge may be lost
POLL_ALONE = 0.1  # and where there is no bus
MOST = 1000  # changed tasks that are remembered for a follower; beyond that it gets what is newest
PAGE = 200


class News(msgspec.Struct, frozen=True):
    """A task as it is now, and the lines that it logged since the last time."""

    task: Task
    lines: list[LogLine]


class Ears:
    """What was heard on the bus since the last look, bounded."""

    def __init__(self, bus: Bus | None, only: str = "") -> None:
        self.changed: dict[str, None] = {}
        self.new = True  # tasks were inserted, or something was missed: begin with a look at everything
        self._bus = bus
        self._only = only
        self._heard = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ears]:
        """Listen inside the block."""
        bus = self._bus
        if bus is None:
            yield self
            return
        subscriptions = [await bus.subscribe(subject) for subject in (subjects.CHANGED, subjects.NEW)]
        listening = [asyncio.create_task(self._listen(each)) for each in subscriptions]
        try:
            yield self
        finally:
            for task in listening:
                task.cancel()
            for each in subscriptions:
                await each.close()

    async def wait(self, seconds: float = POLL) -> bool:
        """Return at the next word, or False after so many seconds."""
        seconds = seconds if self._bus is not None else POLL_ALONE
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        heard = self._heard.is_set()
        self._heard.clear()
        return heard

    async def _listen(self, subscription: Subscription) -> None:
        async for subject, message in subscription:
            if subject == subjects.NEW:
                self.new = True
                if not self._only:
                    self._heard.set()
            elif isinstance(message, list):
                self._hear(message)

    def _hear(self, names: list[str]) -> None:
        # A full message may have left some out.
        self.new = self.new or len(names) >= subjects.MAX_CHANGED or len(self.changed) + len(names) > MOST
        if self._only and self._only not in names and not self.new:
            return
        if not self._only and len(self.changed) + len(names) <= MOST:
            self.changed.update(dict.fromkeys(name for name in names if isinstance(name, str)))
        self._heard.set()


async def one(tasks: Tasks, bus: Bus | None, task: str, after: int = 0) -> AsyncGenerator[News, None]:
    """Yield a task now and at each change of its state, progress or log, until it is over and all was told."""
    seen: tuple[object, ...] = ()
    async with Ears(bus, task).open() as ears:
        while True:
            ears.new = False
            found = await tasks.get(task)
            lines = await tasks.log(task, after)
            now = (found.state, found.wait, found.run, found.progress, found.sentence)
            if now != seen or lines:
                yield News(found, lines)
            seen, after = now, lines[-1].line if lines else after
            if found.state in FINAL:
                return
            await ears.wait()


async def many(tasks: Tasks, bus: Bus | None, wanted: Filter) -> AsyncGenerator[list[Task], None]:
    """Yield the newest tasks that a filter names, oldest first, then those that move; [] where nothing did for long.

    The filter's ``state`` counts for what is told at first: a task that was told is told again when it leaves it.
    """
    told: dict[str, tuple[object, ...]] = {}
    async with Ears(bus).open() as ears:
        while True:
            found: dict[str, Task] = {}
            changed, fresh = list(ears.changed), ears.new
            ears.changed.clear()
            ears.new = False
            if fresh:
                found = {each.id: each for each in reversed(await tasks.find(wanted))}
            for name in changed:
                if name not in found and (each := await _read(tasks, name)) is not None and _fits(each, wanted, told):
                    found[name] = each
            news = [each for each in found.values() if told.get(each.id) != _state(each)]
            told.update((each.id, _state(each)) for each in news)
            for name in list(told)[: max(0, len(told) - MOST)]:
                del told[name]
            yield news
            while not await ears.wait():
                yield []


async def _read(tasks: Tasks, name: str) -> Task | None:
    try:
        return await tasks.get(name)
    except NotFoundError:
        return None


def _state(task: Task) -> tuple[object, ...]:
    return (task.state, task.wait, task.run, task.progress, task.sentence)


def _fits(task: Task, wanted: Filter, told: dict[str, tuple[object, ...]]) -> bool:
    names = ("tenant", "app", "function", "queue", "channel", "parent", "provider")
    if any(getattr(wanted, name) not in {None, getattr(task, name)} for name in names):
        return False
    return wanted.state in {None, task.state} or task.id in told
