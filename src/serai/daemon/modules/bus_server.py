"""Module ``bus.server``: the local bus that the cell's processes meet on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from serai.bus.open import LocalBusServer
from serai.bus.peer import Peer
from serai.daemon.module import Context, Needs
from serai.errors import DeniedError

_TOLD_SECONDS, _TOLD_MOST = 60.0, 100  # the log of what was denied: one line of a kind a minute, so many kinds


class BusServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The local bus."""

    listen: Annotated[tuple[str, ...], msgspec.Meta(description="Where clients connect.", min_length=1)] = (
        "unix:run/bus.sock",
    )


class BusServer:
    """Serve the bus. Clients of a server that goes connect to the next one by themselves."""

    ID: ClassVar[str] = "bus.server"
    Config: ClassVar[type[msgspec.Struct]] = BusServerConfig
    NEEDS: ClassVar[Needs] = Needs(listen=("listen",), privilege="control", copies="one")

    def __init__(self, _config: BusServerConfig, ctx: Context) -> None:
        self._ctx = ctx
        self._server = LocalBusServer(policy=ctx.bus_policy, on_denied=self._denied)
        self._told: dict[tuple[int, str, str], float] = {}

    async def provision(self) -> None:
        """Need nothing: the sockets are open, and another server may still be at them."""

    async def serve(self) -> None:
        """Route messages until cancelled. There is nothing to drain: messages may be lost."""
        await self._server.start(self._ctx.sockets("listen"))
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self._server.close()

    async def close(self) -> None:
        """Drop all clients."""
        await self._server.close()

    def _denied(self, client: Peer, error: DeniedError) -> None:
        """Log who tries what it may not: a bug, or a process that was taken over. The same once a minute at most."""
        what = (client.uid, str(error.fields["verb"]), str(error.fields["subject"]))
        now = self._ctx.clock.monotonic()
        self._told = {each: when for each, when in self._told.items() if now - when < _TOLD_SECONDS}
        if what not in self._told and len(self._told) < _TOLD_MOST:
            self._told[what] = now
            self._ctx.log.warning("bus.denied", uid=client.uid, pid=client.pid, verb=what[1], subject=what[2])

    def status(self) -> Mapping[str, Any]:
        """Tell how many clients there are and what they lost."""
        return {"ok": True, **self._server.status()}
