"""Module ``bus.server``: the local bus that the cell's processes meet on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from serai.bus.open import LocalBusServer
from serai.daemon.module import Context, Needs


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
        self._server = LocalBusServer()

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

    def status(self) -> Mapping[str, Any]:
        """Tell how many clients there are and what they lost."""
        return {"ok": True, **self._server.status()}
