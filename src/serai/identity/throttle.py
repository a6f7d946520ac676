"""Slow down who guesses, without a handle to lock others out.

Failures are counted in token buckets. A bucket belongs to a network (so one guesser is slowed down everywhere), to a
known browser of an account (which a cookie proves), or to all unknown browsers of an account together: whoever guesses
at an account from many networks shuts the third bucket only, and its owner still comes in by a browser that they used
before, by a passkey, or a little later.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network

import msgspec

from serai.errors import ExhaustedError

MOST = 50_000  # buckets that are remembered


class Allowance(msgspec.Struct, frozen=True):
    """``burst`` failures at once, then one each ``seconds``."""

    burst: int
    seconds: float


NETWORK = Allowance(30, 10.0)
BROWSER = Allowance(10, 30.0)
STRANGERS = Allowance(20, 20.0)


class Throttle:
    """Count failures by key; ``now`` is in seconds of a clock that never goes back."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when a bucket will be whole again

    def check(self, key: str, allowance: Allowance, now: float) -> None:
        """Raise `ExhaustedError` with ``retry_after`` where the bucket is empty."""
        wait = self._full_at.get(key, 0.0) - now - (allowance.burst - 1) * allowance.seconds
        if wait > 0:
            raise ExhaustedError("Too many attempts: wait a little.", temporary=True, retry_after=int(wait) + 1)

    def failed(self, key: str, allowance: Allowance, now: float) -> None:
        """Take one out of the bucket."""
        self._full_at[key] = max(self._full_at.get(key, 0.0), now) + allowance.seconds
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)

    def forget(self, key: str) -> None:
        """Fill a bucket: somebody proved who they are."""
        self._full_at.pop(key, None)


def network_of(address: str) -> str:
    """Return what one party can be assumed to hold: an IPv4 address, an IPv6 /64; "" for a local socket."""
    try:
        there = ip_address(address)
    except ValueError:
        return ""
    if isinstance(there, IPv6Address):
        if there.ipv4_mapped is not None:
            return str(there.ipv4_mapped)
        return str(ip_network((int(there), 64), strict=False))
    return str(there)
