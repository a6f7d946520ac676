"""One subscription to the store's nudges for all who wait for changes in this process."""

from __future__ import annotations

import asyncio

import structlog

from serai.bus import Bus
from serai.errors import SeraiError

SUBJECT = "store.change"
RETRY = 1.0  # seconds until a broken subscription is tried again

log = structlog.get_logger("api")


class Nudge:
    """Count nudges; whoever waits is woken by the next one. A nudge may be lost: waits have an end."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = False
        self._waiting: set[asyncio.Future[None]] = set()

    def poke(self) -> None:
        """Wake all who wait."""
        self.count += 1
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Let all who wait end: this process is being replaced, and they are to ask the next one."""
        self.closed = True
        self.poke()

    async def wait(self, seen: int, timeout: float) -> bool:
        """Return True at once where there was a nudge after ``seen``, else at the next; False when time is over."""
        if self.count != seen or self.closed:
            return True
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    async def run(self, bus: Bus) -> None:
        """Follow the bus until cancelled."""
        while True:
            try:
                subscription = await bus.subscribe(SUBJECT)
                self.poke()  # what happened before we listened
                async for _subject, _message in subscription:
                    self.poke()
            except SeraiError as error:
                log.info("api.no_nudges", reason=error.public)
            await asyncio.sleep(RETRY)
