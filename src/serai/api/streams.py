"""How many streams are open: each keeps a connection here, and one of those that the edge has to us; and their end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from serai.errors import ExhaustedError
from serai.identity import Principal

EACH = 32  # of one user, whether they ask by themselves or by tokens
MOST = 256  # of all: the edge's other connections are for what has an end
LOOK = 0.5  # seconds between looks whether a stream is to end

#: What a route answers with that goes on for as long as its client likes.
MEDIA_TYPES = frozenset({"text/event-stream", "application/jsonl"})


class Streams:
    """Count the streams of an application: ``each`` user's, and ``most`` in all."""

    def __init__(self, each: int = EACH, most: int = MOST) -> None:
        self._each = each
        self._most = most
        self._open: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Return how many are open."""
        return self._open.total()

    def enter(self, principal: Principal) -> Callable[[], None]:
        """Count one in, and return what counts it out; `ExhaustedError` where there are too many."""
        whose = principal.user or principal.id
        if self._open[whose] >= self._each:
            raise ExhaustedError(
                f"You have {self._each} streams open, and no more at a time: end one.", most=self._each
            )
        if self.count >= self._most:
            raise ExhaustedError("Too many streams are open.", temporary=True, retry_after=10)
        self._open[whose] += 1
        return partial(self._leave, whose)

    def _leave(self, whose: str) -> None:
        self._open[whose] -= 1
        if not self._open[whose]:
            del self._open[whose]


class Ending:
    """End a stream that is to go on no more, in good order: whoever makes it is told that its client has left.

    ``receive`` is that of ASGI, and so is what this takes its place with. ``over`` says whether it is to end; it is
    asked every `LOOK` seconds.
    """

    def __init__(self, receive: Callable[[], Awaitable[Any]], over: Callable[[], bool]) -> None:
        self._receive = receive
        self._over = over
        self.ended = False

    async def receive(self) -> Any:
        """Return the client's next message."""
        coming = asyncio.ensure_future(self._receive())
        try:
            while not coming.done():
                await asyncio.wait({coming}, timeout=LOOK)
                if not coming.done() and self._over():
                    self.ended = True
                    return {"type": "http.disconnect"}
            return coming.result()
        finally:
            coming.cancel()
