"""What a visit's program wrote and nobody has confirmed yet: bounded, so that who does not read holds it back."""

from __future__ import annotations

from _bisect import bisect_right

RUN_COST = 64  # octets that a change between the streams counts as


class Spool:
    """Octets by their place in all that was written, each with the tag of its stream."""

    def __init__(self, limit: int) -> None:
        self.start = 0
        self._limit = limit
        self._data = bytearray()
        self._ends: list[int] = []  # where the runs of one tag end
        self._tags: list[bytes] = []

    @property
    def end(self) -> int:
        """Return how much was written in all."""
        return self.start + len(self._data)

    @property
    def room(self) -> int:
        """Return how many octets it takes now."""
        return max(0, self._limit - len(self._data) - RUN_COST * len(self._ends))

    def add(self, tag: bytes, data: bytes) -> None:
        """Append what came on a stream."""
        self._data += data
        if self._tags and self._tags[-1] == tag:
            self._ends[-1] = self.end
        else:
            self._tags.append(tag)
            self._ends.append(self.end)

    def forget(self, until: int) -> None:
        """Drop what lies before ``until``: it has arrived."""
        count = min(until, self.end) - self.start
        if count <= 0:
            return
        del self._data[:count]
        self.start += count
        runs = bisect_right(self._ends, self.start)
        del self._ends[:runs], self._tags[:runs]

    def piece(self, at: int, most: int) -> tuple[bytes, bytes]:
        """Return the tag and at most so many octets of one stream from ``at`` on; empty at the end."""
        if at >= self.end:
            return b"", b""
        run = bisect_right(self._ends, at)
        stop = min(at + most, self._ends[run])
        return self._tags[run], bytes(self._data[at - self.start : stop - self.start])
