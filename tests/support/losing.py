"""A store in a file that can be taken away under a running API, and this host's copy of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from serving import Place

from serai.daemon import modules
from serai.daemon.service import kinds_of
from serai.services.registry import services
from serai.store import Store
from serai.store.driver import Row
from serai.store.last_known import LastKnown
from serai.store.open import open_store
from serai.store.replica import Replica
from serai.store.retry import Patience


class Losable(Place):
    """What a worker gives its modules, with a store that goes away and comes back as a test wants it."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._file = home / "store.db"
        self._aside = home / "aside.db"
        kinds = tuple(kinds_of((modules.SERVICE, *services().values())))
        self.replica = Replica(home / "replica", writable=True)
        self.real = open_store(self._file, kinds=kinds, patience=Patience(attempts=1))
        self.store: Store = LastKnown(self.real, self.replica, rest=0.0)

    async def lose(self) -> None:
        """Take the store away; the copy is as new as it was."""
        number = await self.real.last_change()
        rows = [row async for row in _all(self.real)]
        self.replica.snapshot(await self.real.identity(), rows, (number, 0))
        self._file.rename(self._aside)

    async def find_again(self) -> None:
        """Put it back, and wait until that is noticed."""
        self._aside.rename(self._file)
        async with asyncio.timeout(20):
            while self.store.as_of is not None:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        await self.store.close()
        await self.real.close()
        self.replica.close()


async def _all(store: Store) -> AsyncIterator[Row]:
    after = ("", "", "")
    while page := await store.export(after):
        for row in page:
            yield row
        after = (page[-1].kind, page[-1].tenant, page[-1].name)
