"""Passes on to this host's bus what other hosts commit; not a module itself."""

from __future__ import annotations

import asyncio

from serai.bus import Bus
from serai.errors import SeraiError
from serai.store.driver import Nudge
from serai.store.store import Store

CHANGED = "store.change"
NEW_TASKS = "tasks.new"

#: Seconds between two rounds: what one host commits comes back to it, and there may be thousands of nudges a second.
PAUSE = 0.02


class Relay:
    """Listen to the store, and tell the bus once a round what was heard."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._change = 0
        self._queues: set[str | None] = set()
        self._heard = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled; return at once where the store has nothing to tell that the bus does not."""
        telling = asyncio.create_task(self._tell())
        try:
            await self._store.listen(self._hear)
        finally:
            telling.cancel()
            await asyncio.wait([telling])

    def _hear(self, nudge: Nudge) -> None:
        if nudge.bot:
            return
        self._change = max(self._change, nudge.change)
        if not nudge.change:
            self._queues.add(nudge.queue or None)
        self._heard.set()

    async def _tell(self) -> None:
        while True:
            await self._heard.wait()
            self._heard.clear()
            change, queues = self._change, self._queues
            self._change, self._queues = 0, set()
            try:
                if change or None in queues:
                    await self._bus.publish(CHANGED, change)
                for queue in queues:
                    await self._bus.publish(NEW_TASKS, queue)
            except SeraiError:
                pass  # the bus comes back, and what it missed is found by polling
            await asyncio.sleep(PAUSE)
