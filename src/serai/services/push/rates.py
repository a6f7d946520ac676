"""How much each tenant may say, so that none can keep the others waiting."""

from __future__ import annotations

from collections import OrderedDict

from serai.errors import ExhaustedError

MOST = 10_000  # tenants that are remembered
_ROUNDING = 1e-6  # seconds


class Rates:
    """A bucket for each tenant: ``rate`` a second for long, ``burst`` at once (GCRA: only when it is full is kept)."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, count: float, now: float) -> None:
        """Take some, or raise `ExhaustedError` with ``after``: the seconds until there is room.

        ``now`` is in seconds that never go back.
        """
        full = max(self._full_at.get(key, 0.0), now)
        # What is more than a whole bucket is taken once the bucket is full.
        over = full - now + (min(count, self._burst) - self._burst) / self._rate
        if over > _ROUNDING:
            raise ExhaustedError("Too much is said at once.", temporary=True, after=round(over, 3))
        self._full_at[key] = full + count / self._rate
        self._full_at.move_to_end(key)
        if len(self._full_at) > MOST:
            self._full_at.popitem(last=False)
