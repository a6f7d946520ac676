"""The module ``push.source``: where all events of a cell begin, beside the store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from serai.bus import Subscription
from serai.daemon.module import Context, Needs
from serai.errors import SeraiError
from serai.services.push import wire
from serai.services.push.changes import Changes
from serai.services.push.config import SourceConfig
from serai.services.push.source import Source
from serai.services.push.tasks import TaskNews
from serai.services.push.tickets import open_key

AGAIN = 1.0  # seconds after which a refused handler is offered again


class SourceModule:
    """Number events, keep what was said lately, tell the workers."""

    ID: ClassVar[str] = "push.source"
    Config: ClassVar[type[msgspec.Struct]] = SourceConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="control", copies="one")

    def __init__(self, config: SourceConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self.source: Source | None = None

    async def provision(self) -> None:
        """Read the key of tickets, which is made at the first start."""
        self._key = open_key(self._ctx.home / "keys/push.key")

    async def serve(self) -> None:
        """Follow the store and the tasks until cancelled."""
        clock = self._ctx.clock
        life = int(clock.now() * 1000)  # another for each process
        source = self.source = Source(self._ctx.bus, self._config, life, self._key, clock.monotonic, clock.now)
        async with asyncio.TaskGroup() as group:
            group.create_task(source.run())
            group.create_task(Changes(self._ctx, source).run())
            group.create_task(TaskNews(self._ctx, source).run())
            for subject, handler in (
                (wire.FOLLOW, source.follow),
                (wire.PUBLISH, source.publish),
                (wire.TICKET, source.ticket),
            ):
                group.create_task(self._serve(subject, handler))

    async def close(self) -> None:
        """Need nothing: what was said goes with the process."""

    def status(self) -> Mapping[str, Any]:
        """Tell what is followed and kept."""
        source = self.source
        if source is None:
            return {"ok": True, "reason": "", "channels": 0, "events": 0, "octets": 0}
        past = source.past
        return {"ok": True, "reason": "", "channels": len(past), "events": source.number, "octets": past.octets}

    async def _serve(self, subject: str, handler: Any) -> None:
        """Answer calls of a subject until cancelled."""
        while True:
            with contextlib.suppress(SeraiError):
                serving: Subscription = await self._ctx.bus.handle(subject, handler)
                try:
                    async for _ in serving:
                        pass  # a handler's subscription yields nothing, and ends where the bus refuses it
                finally:
                    await serving.close()
            await self._ctx.clock.sleep(AGAIN)
