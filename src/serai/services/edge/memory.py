"""What was parsed before: a client repeats its fields almost unchanged through a connection, and so does a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

MAX_OCTETS = 2048  # of a block that is worth remembering
MAX_KNOWN = 512  # blocks remembered
MAX_SEEN = 4096  # hashes of blocks that came once

T = TypeVar("T")


class Memory(Generic[T]):
    """Remember what ``parse`` made of octets that come again.

    Only the second time is worth the room: most blocks with something of their own in them come once, and would drive
    out those that come often. Look into ``known`` first; it is a dict for speed.
    """

    __slots__ = ("_parse", "_seen", "known")

    def __init__(self, parse: Callable[[bytes], T]) -> None:
        self._parse = parse
        self._seen: set[int] = set()
        self.known: dict[bytes, T] = {}

    def learn(self, octets: bytes) -> T:
        """Parse octets that are not known yet."""
        made = self._parse(octets)
        if len(octets) <= MAX_OCTETS:
            digest = hash(octets)
            if digest in self._seen:
                if len(self.known) >= MAX_KNOWN:
                    self.known.clear()
                self.known[octets] = made
            else:
                if len(self._seen) >= MAX_SEEN:
                    self._seen.clear()
                self._seen.add(digest)
        return made
