"""Repeat what failed for a moment only."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from serai.errors import UnavailableError

T = TypeVar("T")


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How often to try, and how long to wait between (seconds; doubled each time up to the longest, half of it random).

    The default gives up after about 4 seconds, beside what the engine itself waited.
    """

    attempts: int = 12
    first: float = 0.01
    longest: float = 0.8

    def delay(self, attempt: int, chance: float) -> float:
        """Return the wait after a failed attempt (from 0); ``chance`` is 0 to 1."""
        return min(self.longest, self.first * 2.0**attempt) * (0.5 + chance / 2)


async def repeat(
    patience: Patience, call: Callable[[], Awaitable[T]], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> T:
    """Await a call until it does not raise a temporary `UnavailableError`, which means that nothing was applied."""
    for attempt in range(patience.attempts - 1):
        try:
            return await call()
        except UnavailableError as error:
            if not error.temporary:
                raise
        await sleep(patience.delay(attempt, random.random()))  # noqa: S311 - jitter, not a secret
    return await call()
