"""A bot's heartbeat, in a thread of its own: a function that blocks the event loop for a while loses no lease."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

from serai.errors import ConflictError, SeraiError, UnavailableError
from serai.tasks.fence import GIVE_UP, Lease

_BEATS = 5  # within a lease


class Pulse:
    """Beat for one bot until it is closed.

    On the bot's own event loop it calls ``wanted`` with the numbers of tasks to be cancelled, and ``lost`` when the
    lease was given away, or when so much of it passed without a beat that the bot has to stop its runs. When that
    loop itself has not turned for ``stall`` seconds, the beats stop and ``stalled`` is called, on this thread:
    whoever runs a bot ends the process there.
    """

    def __init__(
        self,
        beat: Callable[[], Awaitable[list[int]]],
        lease: Lease,
        *,
        stall: float,
        wanted: Callable[[list[int]], None],
        lost: Callable[[SeraiError], None],
        stalled: Callable[[], None],
    ) -> None:
        self._send = beat
        self._lease = lease
        self._stall = stall
        self._wanted = wanted
        self._lost = lost
        self._stalled = stalled
        self._loop = asyncio.get_running_loop()
        self._turned = time.monotonic()
        self._over = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._main, name="pulse", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Stop beating."""
        self._ended.set()
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        with asyncio.Runner() as runner:
            while not self._over and not self._ended.wait(self._lease.seconds / _BEATS):
                if time.monotonic() - self._turned > self._stall:
                    self._stalled()
                    return
                runner.run(self._beat())

    async def _beat(self) -> None:
        try:
            numbers = await self._send()
        except ConflictError as error:
            self._lose(error)
        except SeraiError as error:
            if self._lease.spent > GIVE_UP:
                self._lose(UnavailableError(f"No heartbeat within {self._lease.seconds:g} s: {error.public}"))
        else:
            self._tell(self._wanted, numbers)

    def _lose(self, why: SeraiError) -> None:
        self._over = True
        self._tell(self._lost, why)

    def _tell(self, hear: Callable[..., None], what: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._receive, hear, what)

    def _receive(self, hear: Callable[..., None], what: object) -> None:
        self._turned = time.monotonic()
        hear(what)
