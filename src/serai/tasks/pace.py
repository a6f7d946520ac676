"""How many short tasks a bot takes at once, by how long they turned out to be."""

from __future__ import annotations

from time import thread_time

#: Seconds that a batch should take: as long as that, a finished task may wait for its acknowledgement.
GOAL = 0.01
#: Seconds from which a function is not short, whatever it promised; its tasks are then claimed one at a time.
SLOW = 0.25
_WEIGHT = 0.3  # of the latest batch in the mean
_IDLE = 0.5  # part of the time for which functions that wait leave the processor to others
_FIRST = 0.0005  # seconds taken for a task of which nothing is known
#: Seconds of a task from which it matters whether it waits. Asking the kernel how long the processor was busy makes it
#: look who else wants it, so bots that ask for each of many quick ones get less of it than those who don't.
_ASK = 0.0002
_FORGIVEN = 60.0  # seconds after which a slow function may prove itself again


class Pace:
    """Measure batches, and remember who kept the others waiting. Times are of a monotonic clock, in seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.waits = (
            False  # whether functions wait rather than compute, so that the next batch may be fetched meanwhile
        )
        self._mean = _FIRST
        self._slow: dict[str, float] = {}

    @property
    def batch(self) -> int:
        """Return how many tasks fit into a batch."""
        return max(1, min(self._most, int(GOAL / self._mean)))

    def begin(self) -> float:
        """Return what `busy` wants to know of a batch's beginning."""
        return thread_time() if self.waits or self._mean >= _ASK else 0.0

    def busy(self, began: float, seconds: float) -> float:
        """Return for how much of a batch's seconds it kept the processor busy: all of them where nobody asked."""
        return thread_time() - began if began else seconds

    def ran(self, tasks: int, seconds: float, busy: float) -> None:
        """Learn from so many tasks that took so long together, and kept the processor busy for a part of that."""
        each = max(seconds / tasks, 1e-7)
        self.waits = busy < seconds * _IDLE
        # Slower counts at once, so that the next batch is small; faster only when it lasts.
        self._mean = each if each > self._mean else self._mean + (each - self._mean) * _WEIGHT

    def dawdled(self, function: str, now: float) -> None:
        """Take a function for one that is not short."""
        self._slow[function] = now + _FORGIVEN

    def short(self, declared: frozenset[str], now: float) -> frozenset[str]:
        """Return those of the functions declared short that are."""
        if not self._slow:
            return declared
        self._slow = {name: until for name, until in self._slow.items() if until > now}
        return declared - self._slow.keys()
