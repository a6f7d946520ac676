"""A bot's heartbeat, in a thread of its own: a function that blocks the event loop for a while loses no lease."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import msgspec

from serai.errors import ConflictError, SeraiError
from serai.store.driver import Driver


class Pulse:
    """Beat every ``every`` seconds for one bot.

    On the bot's own event loop it calls ``wanted`` with the numbers of tasks to be cancelled, and ``lost`` when the
    lease is gone: the bot was struck off, or no beat succeeded for ``lease`` seconds (by the monotonic clock), so that
    it has to be taken for gone. When that loop itself has not turned for ``stall`` seconds, the beats stop and
    ``stalled`` is called, on this thread: whoever runs a bot ends the process there.
    """

    def __init__(
        self,
        driver: Driver,
        bot: str,
        *,
        lease: float,
        stall: float,
        wanted: Callable[[list[int]], None],
        lost: Callable[[str], None],
        stalled: Callable[[], None],
    ) -> None:
        self._driver = driver
        self._bot = bot
        self._lease = lease
        self._stall = stall
        self._wanted = wanted
        self._lost = lost
        self._stalled = stalled
        self._loop = asyncio.get_running_loop()
        self._turned = self._last = time.monotonic()
        self._over = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._main, name=f"pulse-{bot}", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Stop beating."""
        self._ended.set()
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        with asyncio.Runner() as runner:
            while not self._over and not self._ended.wait(self._lease / 5):
                if time.monotonic() - self._turned > self._stall:
                    self._stalled()
                    return
                runner.run(self._beat())

    async def _beat(self) -> None:
        try:
            numbers = await self._driver.write(lambda tx: self._driver.tasks.beat(tx, self._bot))
        except ConflictError as error:
            self._tell(_Message(lost=error.public))
            self._over = True
        except SeraiError as error:
            if time.monotonic() - self._last > self._lease * 0.8:
                self._tell(_Message(lost=f"no heartbeat for {self._lease:g} s: {error.public}"))
                self._over = True
        else:
            self._last = time.monotonic()
            self._tell(_Message(numbers=numbers))

    def _tell(self, message: _Message) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._receive, message)

    def _receive(self, message: _Message) -> None:
        self._turned = time.monotonic()
        if message.lost:
            self._lost(message.lost)
        elif message.numbers:
            self._wanted(message.numbers)


class _Message(msgspec.Struct, frozen=True):
    numbers: list[int] = []
    lost: str = ""
