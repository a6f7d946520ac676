"""A bot's ears and mouth on the bus. Nothing it says or hears is needed: it only saves waiting for a poll."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from serai.bus import Bus
from serai.store.driver import Driver
from serai.store.tasks import Task
from serai.tasks import subjects

#: Seconds between two messages: under load each says what moved meanwhile, while the first one goes at once.
_GAP = 0.02
#: Seconds that the bot which the store told first has to itself. It may be busy, so they are few.
_HEAD_START = 0.003


class Herald:
    """Wake a bot when its queues have work, pass wishes to cancel on, and tell who follows tasks that they moved."""

    def __init__(
        self,
        driver: Driver,
        bus: Bus | None,
        queues: Sequence[str],
        *,
        name: Callable[[], str],
        wake: Callable[[], None],
        cancel: Callable[[object], None],
    ) -> None:
        self._driver = driver
        self._name = name  # under which the bot is enlisted just now
        self._direct = False  # whether the store itself tells of insertions
        self._bus = bus
        self._queues = frozenset(queues)
        self._wake = wake
        self._cancel = cancel
        self._later: asyncio.TimerHandle | None = None
        self._moved: dict[str, None] = {}
        self._freed = False
        self._news = asyncio.Event()

    def tell(self, moved: Sequence[Task], *, freed: bool = False) -> None:
        """Say later that these tasks moved, and with ``freed`` that other bots may find work; never waits."""
        # A full message says of itself that it leaves some out.
        room = 0 if self._bus is None else subjects.MAX_CHANGED - len(self._moved)
        if room > 0:
            self._moved.update((task.id, None) for task in moved[:room])
        self._freed = self._freed or freed
        if self._moved or self._freed:
            self._news.set()

    def helpers(self) -> list[Coroutine[Any, Any, None]]:
        """Return what has to run beside the bot."""
        ears = [self._hear_store()]
        if self._bus is None:
            return ears
        return [*ears, self._hear_new(self._bus), self._hear_cancel(self._bus), self._speak(self._bus)]

    async def _hear_store(self) -> None:
        """Listen to the store, which tells of insertions sooner than the bus, where it does."""
        await self._driver.listen_for_work(tuple(self._queues), self._heard_store)
        self._direct = False
        await asyncio.get_running_loop().create_future()

    def _heard_store(self, first: str) -> None:
        self._direct = True
        if not first or first == self._name():
            self._wake()
        else:
            self._wake_later()

    def _wake_later(self) -> None:
        """Look whether there is work left, once who was told first may have taken it: two would hinder each other."""
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(_HEAD_START, self._wake_now)

    def _wake_now(self) -> None:
        self._later = None
        self._wake()

    async def _hear_new(self, bus: Bus) -> None:
        async for _, queue in await bus.subscribe(subjects.NEW):
            if queue in self._queues and self._direct:
                self._wake_later()
            elif queue is None or queue in self._queues:
                self._wake()

    async def _hear_cancel(self, bus: Bus) -> None:
        async for _, wanted in await bus.subscribe(subjects.CANCEL):
            self._cancel(wanted)

    async def _speak(self, bus: Bus) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            moved, freed = list(self._moved), self._freed
            self._moved.clear()
            self._freed = False
            if moved:
                await bus.publish(subjects.CHANGED, moved[: subjects.MAX_CHANGED])
            if freed:
                await bus.publish(subjects.NEW)
            await asyncio.sleep(_GAP)
