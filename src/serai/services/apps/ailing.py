"""Which instances are not well, among any number of them: read once, then kept by the store's feed."""

from __future__ import annotations

import asyncio

from serai.cloud.descriptors import Instance
from serai.store import Store
from serai.store.codec import decode
from serai.store.contract import Change

PAGE = 1000
FAR = 5000  # changes behind which all is read anew: that takes less
OFTEN = 3  # restarts after which one that is not ready is said to fail again and again

Key = tuple[str, str]  # tenant, name


class Ailing:
    """Find instances that should run and do not, or not well. Nothing is read before somebody asks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = -1  # of the last change that was looked at
        self._held: dict[Key, Instance] = {}
        self._turn = asyncio.Lock()

    async def find(self) -> dict[Key, Instance]:
        """Return them as they are now."""
        async with self._turn:
            last = await self._store.last_change()
            if self._number < 0 or last - self._number > FAR:
                await self._open(last)
            while self._number < last and (page := await self._store.changes(self._number, PAGE)):
                for change in page:
                    self._take(change)
                self._number = page[-1].number
            return dict(self._held)

    async def _open(self, last: int) -> None:
        """Read all; what is written meanwhile comes by the feed, once more."""
        found: dict[Key, Instance] = {}
        after = ""
        while page := await self._store.find(Instance, after=after, limit=PAGE):
            found |= {(one.tenant, one.name): one.spec for one in page if is_ill(one.spec)}
            after = f"{page[-1].tenant}/{page[-1].name}"
        self._held, self._number = found, last

    def _take(self, change: Change) -> None:
        if change.kind != Instance.KIND:
            return
        spec = None if change.spec is None else decode(Instance, change.schema, change.spec)
        if spec is not None and is_ill(spec):
            self._held[change.tenant, change.name] = spec
        else:
            self._held.pop((change.tenant, change.name), None)


def is_ill(instance: Instance) -> bool:
    """Tell whether an instance that should run does not, or not well; one that starts is given its time."""
    if instance.wanted != "running":
        return False
    again = instance.restarts >= OFTEN and instance.state in {"waiting", "starting"}
    return instance.state in {"failed", "unhealthy"} or again
