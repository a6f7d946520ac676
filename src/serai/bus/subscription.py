"""The receiving end of a subscription: a bounded queue that loses its oldest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from serai.errors import SeraiError

MAX_QUEUE = 1024  # messages that wait for their reader


class QueueSubscription:
    """A subscription or a handler; ``ready`` is set while a server knows it, where there is one.

    ``refused`` is why the server does not want it, which ends it.
    """

    def __init__(self, subject: str, close: Callable[[], Awaitable[None]]) -> None:
        self.subject = subject
        self.lost = 0
        self.ready = asyncio.Event()
        self.refused: SeraiError | None = None
        self._close = close
        self._queue: deque[tuple[str, Any]] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield (subject, message) until closed."""
        while True:
            while self._queue:
                yield self._queue.popleft()
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    def deliver(self, subject: str, message: Any) -> None:
        """Queue a message, at the cost of the oldest where the queue is full."""
        if len(self._queue) >= MAX_QUEUE:
            self._queue.popleft()
            self.lost += 1
        self._queue.append((subject, message))
        self._changed.set()

    def end(self) -> None:
        """Let the reader stop after what is queued."""
        self._closed = True
        self._changed.set()

    def refuse(self, error: SeraiError) -> None:
        """End for good: whoever waits for the server's word gets the error."""
        self.refused = error
        self.ready.set()
        self.end()

    async def close(self) -> None:
        """Stop; safe to call twice."""
        if not self._closed:
            self.end()
            await self._close()
