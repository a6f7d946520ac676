"""Answers of reads as octets, kept until anything changes, and made once for all who ask at a time.

All that is written through this API is written by this very process, so whoever wrote something reads it from then on.
What others of the host write is seen with their nudge, within milliseconds; where a nudge is lost, and on a cluster of
several hosts, within `LONGEST`. Who may read is decided anew for every request, before an answer is given.

Once a URL was answered, what it asks for is known, octet for octet, without taking it apart again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping
from functools import partial
from typing import Any

import msgspec

from serai.api.nudge import Nudge
from serai.identity import Target
from serai.store import Store

LONGEST = 0.5  # seconds that an answer is kept where nobody tells of a change
MOST = 1000  # answers
OCTETS = 8 << 20  # of them together
URL = 512  # octets of one that is remembered

OK, NOT_MODIFIED = 200, 304


class Answer(msgspec.Struct, frozen=True):
    """A body, and its entity tag where it has one; with the status `NOT_MODIFIED` the tag alone."""

    body: bytes
    tag: str = ""
    status: int = OK


Make = Callable[[], Coroutine[Any, Any, Answer]]


class Meaning(msgspec.Struct, frozen=True):
    """What a GET of some URL asks for: the action and its target, as the guard sees them, and how it is answered."""

    action: str
    target: Target
    key: Hashable
    make: Make


class Reads:
    """Keep answers; ``now`` in seconds that never go back."""

    def __init__(self, store: Store, nudge: Nudge, now: Callable[[], float]) -> None:
        self._store = store
        self._nudge = nudge
        self._now = now
        self._commits = 0
        self._held: dict[Hashable, Answer] = {}
        self._meanings: dict[bytes, Meaning] = {}
        self._making: dict[Hashable, asyncio.Task[Answer]] = {}
        self._octets = 0
        self._mark = self._here()
        self._until = 0.0
        store.on_commit.append(self._committed)

    async def get(self, key: Hashable, make: Make) -> Answer:
        """Return what is kept under a key, or make it; what raises is not kept."""
        if not self._fresh():
            self._forget()
            self._mark, self._until = self._here(), self._now() + LONGEST
        found = self._held.get(key)
        if found is not None:
            return found
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.create_task(self._make(key, make, self._mark))
            making.add_done_callback(partial(self._done, self._making, key))
        return await asyncio.shield(making)  # whoever asked first may leave before the others

    @staticmethod
    def _done(among: dict[Hashable, asyncio.Task[Answer]], key: Hashable, making: asyncio.Task[Answer]) -> None:
        del among[key]
        if not making.cancelled():
            making.exception()  # they may all have left before it failed

    async def _make(self, key: Hashable, make: Make, mark: tuple[int, int, float | None]) -> Answer:
        made = await make()
        # What was read before a change, and is only here now, is older than what is kept since.
        if mark == self._here() == self._mark:
            if len(self._held) >= MOST or self._octets + len(made.body) > OCTETS:
                self._forget()
            self._held[key] = made
            self._octets += len(made.body)
        return made

    async def first(self, scope: Mapping[str, Any], key: Hashable, make: Make) -> Answer:
        """Return the answer to a request that the guard has let in, and remember what its URL means."""
        answer = await self.get(key, make)
        url = url_of(scope)
        if len(url) <= URL:
            if len(self._meanings) >= MOST:
                self._meanings.clear()
            self._meanings[url] = Meaning(scope["state"]["action"], scope["state"]["target"], key, make)
        return answer

    def meaning(self, url: bytes) -> Meaning | None:
        """Return what a GET of this URL asks for, where that is known."""
        return self._meanings.get(url)

    def at_hand(self, key: Hashable) -> Answer | None:
        """Return what is kept under a key at this moment."""
        return self._held.get(key) if self._fresh() else None

    def _fresh(self) -> bool:
        return self._mark == self._here() and self._now() < self._until

    def _here(self) -> tuple[int, int, float | None]:
        """Return what changes with all that is written, and with the store's going away and coming back."""
        return self._commits, self._nudge.count, self._store.as_of

    def _forget(self) -> None:
        self._held.clear()
        self._octets = 0
        self._making = {}

    def _committed(self, _number: int) -> None:
        self._commits += 1


def url_of(scope: Mapping[str, Any]) -> bytes:
    """Return path and query of an ASGI scope as they were sent."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path
