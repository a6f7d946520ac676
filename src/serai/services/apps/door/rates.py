"""How much an application may ask, so that none can keep the others waiting."""

from __future__ import annotations

from collections.abc import Callable

from serai.errors import ExhaustedError


class Bucket:
    """A token bucket: ``rate`` a second, ``burst`` at once. ``now`` gives monotonic seconds."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float]) -> None:
        self.rate = rate
        self.burst = burst
        self._now = now
        self._left = burst
        self._at = now()

    def take(self, count: float = 1.0) -> float:
        """Take tokens and return 0, or take none and return the seconds until there are enough.

        What is more than a whole bucket is taken once the bucket is full.
        """
        now = self._now()
        self._left = min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < min(count, self.burst):
            return (min(count, self.burst) - self._left) / self.rate
        self._left -= count
        return 0.0

    def demand(self, what: str, count: float = 1.0) -> None:
        """Take tokens, or raise `BusyError`."""
        if after := self.take(count):
            raise BusyError(what, after)


class BusyError(ExhaustedError):
    """The application asks for more than its share; ``after`` seconds it may ask again."""

    def __init__(self, what: str, after: float) -> None:
        super().__init__(f"Too many {what}: try again in {after:.2f} s.", temporary=True, after=round(after, 3))
        self.after = after
