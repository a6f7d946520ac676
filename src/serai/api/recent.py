"""The newest changes in memory, read and written out once for all watch streams of this process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from serai.api.kinds import Kinds
from serai.store import Change, Spec, Store

MOST = 4000  # changes
OCTETS = 4 << 20  # of their events
BATCH = 100  # changes that are told at once at most
READ = 256 << 10  # octets of their events, by which more than one is too much: what a reader who does not read costs
FIRST = 8  # changes that are read while nothing is known of their size
BEHIND = 2  # readers behind what is held that read the store at a time


class Event(msgspec.Struct, frozen=True):
    """One change as the stream shows it; ``spec`` is null for a delete."""

    number: int
    kind: str
    tenant: str
    name: str
    version: int
    spec: dict[str, object] | None


class Told(msgspec.Struct, frozen=True):
    """A change, and its event; that of a kind which nobody may see is empty."""

    number: int
    tenant: str
    kind: str
    event: bytes


def event(change: Change, kind: type[Spec]) -> bytes:
    """Return a change as one server-sent event, whose ID is its number."""
    spec = None if change.spec is None else dict(kind.hidden(msgspec.msgpack.decode(change.spec)))
    body = msgspec.json.encode(Event(change.number, change.kind, change.tenant, change.name, change.version, spec))
    return b"id: %d\nevent: change\ndata: %s\n\n" % (change.number, body)


class Recent:
    """The end of the feed. Whoever is further behind reads the store for itself, and so holds up nobody."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store = store
        self._kinds = {kind.KIND: kind for kind in kinds}
        self._held: deque[Told] = deque()
        self._octets = 0
        self._step = FIRST  # changes that are read at once, by the size of those before
        self._turn = asyncio.Lock()
        self._behind = asyncio.Semaphore(BEHIND)

    async def after(self, number: int) -> Sequence[Told]:
        """Return the next changes after a number, oldest first and without gaps; none where there is none."""
        at_end = self._held and number == self._held[-1].number  # where they all wait
        async with self._turn if at_end else self._behind:
            return self._find(number) or await self._read(number)

    def _find(self, number: int) -> Sequence[Told]:
        if not self._held or not self._held[0].number - 1 <= number < self._held[-1].number:
            return ()
        begin = number - self._held[0].number + 1  # the feed has no gaps
        return _few(islice(self._held, begin, begin + BATCH))

    async def _read(self, number: int) -> Sequence[Told]:
        found = _few(map(self._tell, await self._store.changes(number, self._step)))
        if found:
            fit = READ * len(found) // max(1, sum(len(one.event) for one in found))
            self._step = max(1, min(BATCH, fit, self._step * 2))
            self._keep(found)
        return found

    def _tell(self, change: Change) -> Told:
        kind = self._kinds.get(change.kind)
        return Told(change.number, change.tenant, change.kind, b"" if kind is None else event(change, kind))

    def _keep(self, found: Sequence[Told]) -> None:
        """Hold what is newer than all that is held, and only that: what is held has no gaps."""
        last = self._held[-1].number if self._held else 0
        if found[0].number > last + 1:
            self._held.clear()
            self._octets = 0
        for one in found:
            if one.number > last:
                self._held.append(one)
                self._octets += len(one.event)
        while len(self._held) > MOST or (self._octets > OCTETS and len(self._held) > 1):
            self._octets -= len(self._held.popleft().event)


def _few(changes: Iterable[Told]) -> list[Told]:
    """Return the first of some changes: as many as make up `READ`, and one where that alone is larger."""
    found: list[Told] = []
    octets = 0
    for one in changes:
        found.append(one)
        octets += len(one.event)
        if octets >= READ:
            break
    return found
