"""The last answers that visitors got, for while the API or its store is away.

Each visitor finds their own only. What is kept is bounded in number, size and age, and lost with the process.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

MOST = 512  # answers
LARGEST = 64 << 10  # octets of one
OCTETS = 2 << 20  # of all together
AGE = 3600.0  # seconds


class Known:
    """Keep answers by visitor and URL; ``now`` in seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._held: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._octets = 0

    def keep(self, who: bytes, target: str, octets: bytes) -> None:
        """Keep an answer; the one that was kept longest makes room."""
        key = _key(who, target)
        self._drop(key)
        if len(octets) > LARGEST:
            return
        self._held[key] = (self._now(), octets)
        self._octets += len(octets)
        while len(self._held) > MOST or self._octets > OCTETS:
            self._drop(next(iter(self._held)))

    def find(self, who: bytes, target: str) -> tuple[float, bytes] | None:
        """Return when an answer was given, and the answer; None where none is known, or it is too old."""
        found = self._held.get(_key(who, target))
        return found if found is not None and found[0] > self._now() - AGE else None

    def _drop(self, key: bytes) -> None:
        found = self._held.pop(key, None)
        if found is not None:
            self._octets -= len(found[1])


def _key(who: bytes, target: str) -> bytes:
    # By a digest: no cookie is kept.
    return hashlib.blake2b(target.encode(), key=hashlib.blake2b(who, digest_size=32).digest(), digest_size=16).digest()
