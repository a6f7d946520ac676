"""Who a client is, and how many of the same there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from serai.errors import ExhaustedError
from serai.services.push.config import PushConfig
from serai.services.push.hub import PLATFORM


class Badge:
    """What a client showed. ``shown`` are the header fields that prove it, empty where a ticket did.

    ``until`` is when its ticket ends (seconds since the epoch), ``due`` when it is to be asked again whether it may
    (monotonic seconds): 0 for never.
    """

    __slots__ = ("_counted", "_crowd", "address", "due", "offered", "shown", "turn", "until", "who")

    def __init__(self, crowd: Crowd, address: str, tenant: str) -> None:
        self._crowd = crowd
        self._counted: list[str] = []
        self.address = address
        self.turn = tenant or PLATFORM
        self.shown: Mapping[str, str] = {}
        self.who = ""
        self.until = 0.0
        self.due = 0.0
        self.offered: frozenset[str] = frozenset()  # the channels that a ticket is for

    def enter(self, key: str, most: int) -> None:
        """Count it among those of one key, or raise `ExhaustedError`."""
        self._crowd.enter(key, most)
        self._counted.append(key)

    def release(self) -> None:
        """Count it out; safe to call twice."""
        while self._counted:
            self._crowd.leave(self._counted.pop())


class Crowd:
    """How many clients there are: in all, by address, by tenant, by user."""

    def __init__(self, config: PushConfig) -> None:
        self._config = config
        self._counts: Counter[str] = Counter()

    def badge(self, address: str, tenant: str) -> Badge:
        """Count a client in; `ExhaustedError` where there are too many of its address, its tenant, or in all."""
        badge = Badge(self, address, tenant)
        try:
            badge.enter("", self._config.clients)
            badge.enter(f"address:{address}", self._config.clients_per_address)
            if tenant:
                badge.enter(f"tenant:{tenant}", self._config.clients_per_tenant)
        except ExhaustedError:
            badge.release()
            raise
        return badge

    def enter(self, key: str, most: int) -> None:
        """Count one in."""
        if self._counts[key] >= most:
            raise ExhaustedError("Too many streams are open.", temporary=True, retry_after=10)
        self._counts[key] += 1

    def leave(self, key: str) -> None:
        """Count one out."""
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]
