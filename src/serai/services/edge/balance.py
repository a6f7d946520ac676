"""Which instance gets the next request: pure, with time as an argument.

Least outstanding requests first. An instance that fails is ejected for a moment, twice as long with each failure in a
row; one success clears it.
"""

from __future__ import annotations

from typing import Generic, TypeVar

MAX_EJECTION = 30.0  # seconds


class Member:
    """One instance, as balancing sees it. Times are seconds of a monotonic clock."""

    __slots__ = ("eject_seconds", "ejected_until", "failures", "outstanding")

    def __init__(self, eject_seconds: float) -> None:
        self.eject_seconds = eject_seconds
        self.outstanding = 0
        self.failures = 0
        self.ejected_until = 0.0

    def failed(self, now: float) -> None:
        """Take note of a failure; those within an ejection count once, for they have the same cause."""
        if now < self.ejected_until:
            return
        self.failures += 1
        self.ejected_until = now + min(self.eject_seconds * 2.0 ** (self.failures - 1), MAX_EJECTION)

    def succeeded(self) -> None:
        """Take note of an answer."""
        self.failures = 0
        self.ejected_until = 0.0


M = TypeVar("M", bound=Member)


class Group(Generic[M]):
    """The ready instances of one release."""

    __slots__ = ("_next", "members")

    def __init__(self) -> None:
        self.members: list[M] = []
        self._next = 0

    def pick(self, now: float, avoid: M | None = None) -> M | None:
        """Return the member with the fewest outstanding requests, or None while none can be used.

        Equal ones take turns. ``avoid`` is taken only where there is no other.
        """
        members = self.members
        if len(members) == 1:
            member = members[0]
            return member if now >= member.ejected_until else None
        best = None
        least = 1 << 60
        count = len(members)
        start = self._next
        for at in range(start, start + count):
            member = members[at % count]
            if member.outstanding < least and now >= member.ejected_until and member is not avoid:
                best, least = member, member.outstanding
        self._next = (start + 1) % count if count else 0
        if best is None and avoid is not None and avoid in members and now >= avoid.ejected_until:
            return avoid
        return best
