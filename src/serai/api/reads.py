"""Answers of reads as octets, kept until anything changes.

All that is written through this API is written by this very process, so whoever wrote something reads it from then on.
What others of the host write is seen with their nudge, within milliseconds; where a nudge is lost, and on a cluster of
several hosts, within `LONGEST`. Who may read is decided anew for every request, before this is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable

import msgspec

from serai.api.nudge import Nudge
from serai.store import Store

LONGEST = 0.5  # seconds that an answer is kept where nobody tells of a change
MOST = 1000  # answers
OCTETS = 8 << 20  # of them together


class Answer(msgspec.Struct, frozen=True):
    """A body, and its entity tag where it has one."""

    body: bytes
    tag: str = ""


class Reads:
    """Keep answers; ``now`` in seconds that never go back."""

    def __init__(self, store: Store, nudge: Nudge, now: Callable[[], float]) -> None:
        self._nudge = nudge
        self._now = now
        self._commits = 0
        self._held: dict[Hashable, Answer] = {}
        self._octets = 0
        self._mark = (0, 0)
        self._until = 0.0
        store.on_commit.append(self._committed)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return what is kept under a key, or make it; what raises is not kept."""
        mark, now = (self._commits, self._nudge.count), self._now()
        if mark != self._mark or now >= self._until:
            self._forget()
            self._mark, self._until = mark, now + LONGEST
        found = self._held.get(key)
        if found is not None:
            return found
        made = await make()
        # What was read before a change, and is only here now, is older than what is kept since.
        if mark == (self._commits, self._nudge.count) == self._mark:
            if len(self._held) >= MOST or self._octets + len(made.body) > OCTETS:
                self._forget()
            self._held[key] = made
            self._octets += len(made.body)
        return made

    def _forget(self) -> None:
        self._held.clear()
        self._octets = 0

    def _committed(self, _number: int) -> None:
        self._commits += 1
