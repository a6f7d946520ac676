"""The last answers that visitors got, for while the API or its store is away.

Each visitor finds their own only. What is kept is bounded in number, size and age, and lost with the process.

With the answers goes which page was made of them, the last one of each path: who asks for a list in another order than
the one they saw is offered that.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

MOST = 512  # answers
LARGEST = 64 << 10  # octets of one
OCTETS = 2 << 20  # of all together
AGE = 3600.0  # seconds
PAGES = 256


class Page(msgspec.Struct, frozen=True):
    """A page as a visitor saw it: its path and query, when, and the answers that it was made of."""

    here: str
    when: float
    made_of: tuple[bytes, ...]


class Known:
    """Keep answers by visitor and URL; ``now`` in seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._held: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._octets = 0
        self._pages: OrderedDict[bytes, Page] = OrderedDict()

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
        key = _key(who, target)
        return self._held[key] if self._is_there(key) else None

    def saw(self, who: bytes, path: str, here: str, targets: Sequence[str]) -> None:
        """Keep that somebody saw the page of a path, at which address, and of which answers it was made."""
        key = _key(who, path)
        self._pages.pop(key, None)
        self._pages[key] = Page(here, self._now(), tuple(_key(who, one) for one in targets))
        while len(self._pages) > PAGES:
            self._pages.popitem(last=False)

    def seen(self, who: bytes, path: str) -> Page | None:
        """Return the page of a path as somebody saw it last, where all is still known that it was made of."""
        found = self._pages.get(_key(who, path))
        return found if found is not None and all(self._is_there(one) for one in found.made_of) else None

    def _is_there(self, key: bytes) -> bool:
        found = self._held.get(key)
        return found is not None and found[0] > self._now() - AGE

    def _drop(self, key: bytes) -> None:
        found = self._held.pop(key, None)
        if found is not None:
            self._octets -= len(found[1])


def _key(who: bytes, target: str) -> bytes:
    # By a digest: no cookie is kept.
    return hashlib.blake2b(target.encode(), key=hashlib.blake2b(who, digest_size=32).digest(), digest_size=16).digest()
