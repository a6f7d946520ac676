"""What was parsed before: a client repeats its fields almost unchanged through a connection, and so does a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

MAX_OCTETS = 2048  # of a block that is worth remembering
MAX_KNOWN = 512  # blocks remembered
MAX_SEEN = 4096  # hashes of blocks that came once

T = TypeVar("T")


class Memory(dict[bytes, T]):
    """What ``parse`` makes of octets: ``memory[octets]``, which raises what it raises.

    Only the second time is worth the room: most blocks with something of their own in them come once, and would drive
    out those that come often. It is a dict, so that finding what is known costs no call.
    """

    __slots__ = ("_parse", "_seen")

    def __init__(self, parse: Callable[[bytes], T]) -> None:
        super().__init__()
        self._parse = parse
        self._seen: set[int] = set()

    def __missing__(self, octets: bytes) -> T:
        """Parse octets that are not known yet."""
        made = self._parse(octets)
        if len(octets) <= MAX_OCTETS:
            digest = hash(octets)
            if digest in self._seen:
                if len(self) >= MAX_KNOWN:
                    self.clear()
                self[octets] = made
            else:
                if len(self._seen) >= MAX_SEEN:
                    self._seen.clear()
                self._seen.add(digest)
        return made
