"""What the agent writes into the store: how instances are, and that those which ended are gone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from msgspec.structs import replace

from serai.cloud.descriptors import Instance
from serai.errors import ConflictError, NotFoundError, SeraiError
from serai.services.apps.keeper import Keeper
from serai.services.apps.reconcile import Key, Told
from serai.store import Delete, Store

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Journal:
    """Write one thing at a time about each instance; what fails is tried again at the agent's next turn.

    ``trouble`` says why nothing can be written, "" where all is well. Hosting goes on meanwhile.
    """

    def __init__(self, store: Store, who: str, log: structlog.stdlib.BoundLogger, spawn: Spawn) -> None:
        self.trouble = ""
        self._store = store
        self._who = who
        self._log = log
        self._spawn = spawn
        self._writing: set[Key] = set()

    def tell(self, key: Key, keeper: Keeper, told: Told) -> None:
        """Say how an instance is."""
        self._begin(key, lambda: self._tell(key, keeper, told))

    def retire(self, key: Key) -> None:
        """Want an instance no longer."""
        self._begin(key, lambda: self._retire(key))

    async def forget(self, key: Key) -> None:
        """Delete an instance that ended as it was told to; raises what the store raises."""
        try:
            record = await self._store.get(Instance, *key)
            if record.spec.wanted != "running":
                gone = Delete(Instance.KIND, *key, record.version)
                await self._store.change(self._who, "it ended as it was told to", [gone])
        except (NotFoundError, ConflictError):
            return

    def rest(self) -> None:
        """End a turn: where it began nothing, nothing is left that can't be written."""
        if not self._writing:
            self.trouble = ""

    def _begin(self, key: Key, write: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if key not in self._writing:
            self._writing.add(key)
            self._spawn(self._written(key, write()))

    async def _written(self, key: Key, writing: Coroutine[Any, Any, None]) -> None:
        try:
            await writing
            self.trouble = ""
        except (NotFoundError, ConflictError):
            # It is gone, or somebody else wrote: the next look at the replica says which.
            return
        except SeraiError as error:
            self.trouble = f"The state of instances can't be written: {error.public}"
        finally:
            self._writing.discard(key)

    async def _tell(self, key: Key, keeper: Keeper, told: Told) -> None:
        record = await self._store.get(Instance, *key)
        spec = replace(
            record.spec, state=told.state, reason=told.reason, restarts=told.restarts, connector=told.connector
        )
        number = await self._store.put(self._who, f"it is {told.state}", *key, spec, expect=record.version)
        keeper.seen = replace(keeper.seen, told=replace(told, change=number))
        if told.state in {"failed", "unhealthy"}:
            self._log.warning("instance", tenant=key[0], instance=key[1], state=told.state, reason=told.reason)

    async def _retire(self, key: Key) -> None:
        record = await self._store.get(Instance, *key)
        spec = replace(record.spec, wanted="draining")
        await self._store.put(self._who, "nobody asks for it", *key, spec, expect=record.version)
