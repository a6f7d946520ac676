"""Module ``store.replica``: pulls the store's feed into this host's memory-mapped replica."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from serai.daemon.home import Home
from serai.daemon.module import Context, Needs
from serai.errors import SeraiError
from serai.store.fill import Filler
from serai.store.replica import Replica

CHANGED = "store.change"
_AGAIN = 1.0  # seconds after which a refused subscription is tried again; the poll covers the time between


class ReplicaFillerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The replica's filler."""

    poll_seconds: Annotated[
        float, msgspec.Meta(description="Time between two looks at the feed when no nudge arrives.", ge=0.05, le=3600)
    ] = 2.0


class ReplicaFiller:
    """Fill the replica; it goes on serving as it is while the store is away."""

    ID: ClassVar[str] = "store.replica"
    Config: ClassVar[type[msgspec.Struct]] = ReplicaFillerConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="control", copies="one")

    def __init__(self, config: ReplicaFillerConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._replica = Replica(Home(ctx.home).replica, writable=True)
        self._filler: Filler | None = None

    async def provision(self) -> None:
        """Make the file where there is none, for its readers wait for it; the predecessor may still be writing."""
        self._replica.position()

    async def serve(self) -> None:
        """Pull after each nudge and at each poll, until cancelled; a pull that is cut short is taken up by the next."""
        self._filler = Filler(self._ctx.store, self._replica)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._filler.run(poll=self._config.poll_seconds))
            group.create_task(self._listen(self._filler))

    async def close(self) -> None:
        """Give up what is under way and unmap."""
        if self._filler is not None:
            await self._filler.close()
        self._replica.close()

    def status(self) -> Mapping[str, Any]:
        """Tell where the replica is, and why the last pull failed where it did."""
        if self._filler is None:
            return {"ok": True}
        error = self._filler.error
        if error is not None:
            return {"ok": False, "reason": error.public, "snapshots": self._filler.snapshots}
        return {"ok": True, "snapshots": self._filler.snapshots}

    async def _listen(self, filler: Filler) -> None:
        while True:
            try:
                subscription = await self._ctx.bus.subscribe(CHANGED)
                async for _ in subscription:
                    filler.nudge()
            except SeraiError as error:
                self._ctx.log.info("replica.deaf", error=error)
            await self._ctx.clock.sleep(_AGAIN)
