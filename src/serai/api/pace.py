"""How many requests somebody may make at the front, so that nobody's haste is another's waiting.

Whoever was recognised is counted by who they are: a program with a token slows down itself, and not the person whose
token it is, nor those who share an address with it. Nobody is counted by network, which is what one party can be
assumed to hold. At the home's own socket nothing is counted.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from serai.errors import ExhaustedError
from serai.identity import Principal
from serai.identity.throttle import Allowance, Throttle, network_of


class Rates(msgspec.Struct, frozen=True):
    """Requests at once, and then one each so many seconds: for whoever was recognised, and for a network's nobodies."""

    known: Allowance = Allowance(1000, 1 / 100)
    nobody: Allowance = Allowance(100, 1 / 10)


class Pace:
    """Count requests in buckets, at most as many as `Throttle` remembers; ``now`` in seconds that never go back."""

    def __init__(self, rates: Rates, now: Callable[[], float]) -> None:
        self._rates = rates
        self._now = now
        self._throttle = Throttle()

    def take(self, principal: Principal | None, address: str) -> None:
        """Count a request; `ExhaustedError` with ``retry_after`` (seconds) where there were too many."""
        if principal is None:
            key, allowance = f"network:{network_of(address)}", self._rates.nobody
        else:
            key, allowance = principal.id, self._rates.known
        now = self._now()
        try:
            self._throttle.check(key, allowance, now)
        except ExhaustedError as error:
            raise ExhaustedError("Too many requests: wait a little.", **error.fields, temporary=True) from None
        self._throttle.failed(key, allowance, now)
