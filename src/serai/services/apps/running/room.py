"""How many tasks of an application, and of all of its tenant's, may wait: asked before more are inserted.

Counting a million rows takes a moment, and so it is not done for each insertion: a count allows an eighth of what is
left, and while that lasts nothing is counted. One process never exceeds a quota; several hosts together may, by what
they insert in the same moment.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec

from serai.errors import ExhaustedError
from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App
from serai.store import Store
from serai.tasks import Tasks

SHARE = 8
LASTS = 60.0  # seconds that a count allows anything: quotas may be changed
PAUSE = 1.0  # seconds at least for which a full queue is not counted again
LEISURE = 20.0  # of the time that a count took

Key = tuple[str, str]  # tenant and app, "" for all of the tenant's


class Place(msgspec.Struct):
    """What is known of one quota."""

    left: int = 0
    until: float = 0.0
    flying: int = 0  # tasks that are just being inserted
    full: ExhaustedError | None = None


class Room:
    """Admit tasks. All methods run in one event loop; ``now`` gives monotonic seconds."""

    def __init__(self, store: Store, now: Callable[[], float] = time.monotonic) -> None:
        self.counts = 0
        self._store = store
        self._tasks = Tasks(store)
        self._now = now
        self._places: defaultdict[Key, Place] = defaultdict(Place)
        self._counting: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def full(self) -> list[str]:
        """Return which tenants and applications (``TENANT/APP``) were refused more a moment ago."""
        now = self._now()
        places = self._places.items()
        return sorted("/".join(filter(None, key)) for key, place in places if place.full and now < place.until)

    @asynccontextmanager
    async def take(self, tenant: str, app: str, count: int) -> AsyncGenerator[None, None]:
        """Insert so many tasks inside of this; `ExhaustedError` where they would be too many."""
        taken: list[Place] = []
        try:
            taken.append(await self._admit((tenant, app), count))
            taken.append(await self._admit((tenant, ""), count))
            yield
        finally:
            for place in taken:
                place.flying -= count

    async def _admit(self, key: Key, count: int) -> Place:
        async with self._counting[key]:
            place = self._places[key]
            if place.full is not None and self._now() < place.until:
                raise place.full
            if place.full is not None or place.left < count or self._now() >= place.until:
                await self._count(key, place, count)
            place.left = max(0, place.left - count)
            place.flying += count
            return place

    async def _count(self, key: Key, place: Place, count: int) -> None:
        began = self._now()
        most = await self._quota(*key)
        waiting = await self._tasks.waiting(*key, most) + place.flying
        self.counts += 1
        place.full, place.until = None, self._now() + LASTS
        place.left = max(0, most - waiting - count) // SHARE
        if waiting + count > most:
            place.until = self._now() + max(PAUSE, LEISURE * (self._now() - began))
            whose = f"{key[1]} has" if key[1] else f"All applications of {key[0]} have"
            said = f"{whose} {waiting} tasks that wait, and may have {most}."
            place.full = ExhaustedError(said, quota="tasks", needed=waiting + count, allowed=most)
            raise place.full

    async def _quota(self, tenant: str, app: str) -> int:
        most = (await self._store.get(Tenant, tenant, tenant)).spec.tasks
        own = (await self._store.get(App, tenant, app)).spec.tasks if app else 0
        return own or most


@functools.lru_cache(maxsize=4)
def room_of(store: Store) -> Room:
    """Return this process's room in a store."""
    return Room(store)
