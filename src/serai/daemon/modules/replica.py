"""Module ``store.replica``: pulls the store's feed into this host's memory-mapped replicas.

There are two: one of all kinds for what is privileged, and one of the public kinds for workers that face the network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from serai.daemon.home import Home
from serai.daemon.module import Context, Needs
from serai.daemon.modules.relay import CHANGED, Relay
from serai.daemon.service import kinds_of
from serai.errors import SeraiError
from serai.store.fill import Filler
from serai.store.replica import Replica

APPLIED = "replica.change"  # told with the kinds that changed, None for any, once readers can see it
_AGAIN = 1.0  # seconds after which a refused subscription is tried again; the poll covers the time between


class ReplicaFillerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The replica's filler."""

    poll_seconds: Annotated[
        float, msgspec.Meta(description="Time between two looks at the feed when no nudge arrives.", ge=0.05, le=3600)
    ] = 2.0


class ReplicaFiller:
    """Fill the replicas; they go on serving as they are while the store is away."""

    ID: ClassVar[str] = "store.replica"
    Config: ClassVar[type[msgspec.Struct]] = ReplicaFillerConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="control", copies="one")

    def __init__(self, config: ReplicaFillerConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        home = Home(ctx.home)
        public = (kind.KIND for kind in kinds_of(ctx.services.values()) if kind.PUBLIC)
        self._replicas = (
            Replica(home.replica, writable=True),
            Replica(home.public_replica, writable=True, kinds=frozenset(public)),
        )
        self._fillers: tuple[Filler, ...] = ()
        self._told: set[asyncio.Task[None]] = set()

    async def provision(self) -> None:
        """Make the files where there are none, for readers wait for them; the predecessor may still be writing."""
        for replica in self._replicas:
            replica.position()

    async def serve(self) -> None:
        """Pull after each nudge and at each poll, until cancelled; a pull that is cut short is taken up by the next."""
        self._fillers = tuple(Filler(self._ctx.store, replica) for replica in self._replicas)
        async with asyncio.TaskGroup() as group:
            for filler in self._fillers:
                filler.on_applied.append(self._tell)
                group.create_task(filler.run(poll=self._config.poll_seconds))
            group.create_task(self._listen())
            group.create_task(Relay(self._ctx.store, self._ctx.bus).run())

    async def close(self) -> None:
        """Give up what is under way and unmap."""
        for filler in self._fillers:
            await filler.close()
        for replica in self._replicas:
            replica.close()

    def status(self) -> Mapping[str, Any]:
        """Tell how often the replicas were made anew, and why the last pull failed where it did."""
        snapshots = sum(filler.snapshots for filler in self._fillers)
        for filler in self._fillers:
            if filler.error is not None:
                return {"ok": False, "reason": filler.error.public, "snapshots": snapshots}
        return {"ok": True, "snapshots": snapshots}

    def _tell(self, kinds: frozenset[str] | None) -> None:
        message = None if kinds is None else sorted(kinds)
        task = asyncio.get_running_loop().create_task(self._ctx.bus.publish(APPLIED, message))
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def _listen(self) -> None:
        while True:
            try:
                subscription = await self._ctx.bus.subscribe(CHANGED)
                async for _ in subscription:
                    for filler in self._fillers:
                        filler.nudge()
            except SeraiError as error:
                self._ctx.log.info("replica.deaf", error=error)
            await self._ctx.clock.sleep(_AGAIN)
