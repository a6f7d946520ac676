"""The module ``console.http``: the console on a socket of the home, which the edge leads ``console.BASE`` to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from serai.daemon.module import Context, Needs

if TYPE_CHECKING:
    from serai.api.server import Server
    from serai.console.wire import Wire


class ConsoleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say where the console listens, and where the API is."""

    listen: Annotated[tuple[str, ...], msgspec.Meta(description="Addresses; Unix paths are below the home.")] = (
        "unix:run/console.sock",
    )
    api: Annotated[
        str,
        msgspec.Meta(max_length=90, pattern=r"^[^\0]+$", description="The socket of the API's front, below the home."),
    ] = "run/front.sock"
    calls: Annotated[
        int, msgspec.Meta(ge=1, le=4096, description="Requests to the API at a time; those beyond wait their turn.")
    ] = 64
    call_seconds: Annotated[
        float, msgspec.Meta(gt=0, le=600, description="Time that the API has for an answer that is not a stream.")
    ] = 20.0


class ConsoleHttp:
    """Serve the console. It sees neither store nor replica: the least privilege is enough for it."""

    ID: ClassVar[str] = "console.http"
    Config: ClassVar[type[msgspec.Struct]] = ConsoleConfig
    NEEDS: ClassVar[Needs] = Needs(listen=("listen",), privilege="edge", copies="one")

    def __init__(self, config: ConsoleConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._server: Server | None = None
        self._wire: Wire | None = None

    async def provision(self) -> None:
        """Compile all templates and pack all assets, so that a broken page is refused before anything is replaced."""
        # In the one worker that serves it, and in a thread: it takes some tenths of a second.
        for name in ("app", "wire"):
            await asyncio.to_thread(import_module, f"serai.console.{name}")
        from serai.api.server import Server  # noqa: PLC0415
        from serai.console.app import Door, build  # noqa: PLC0415
        from serai.console.wire import Wire  # noqa: PLC0415

        self._wire = Wire(
            self._ctx.home / self._config.api, calls=self._config.calls, seconds=self._config.call_seconds
        )
        app = await asyncio.to_thread(build, self._wire, self._ctx.clock.now)
        self._server = Server(Door(app, self._ctx.registry))

    async def serve(self) -> None:
        """Answer until cancelled, then let requests under way end."""
        server = self._server
        if server is None:
            return
        stops = [self._ctx.accept(sock, server.accepted_front) for sock in self._ctx.sockets("listen")]
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for stop in stops:
                stop()
            await server.close(self._ctx.drain)

    async def close(self) -> None:
        """Let go of the connections to the API."""
        if self._wire is not None:
            self._wire.close()

    def status(self) -> Mapping[str, Any]:
        """Tell how many clients there are."""
        server = self._server
        if server is None:
            return {"ok": False, "reason": "not started"}
        return {"ok": True, "reason": "", "connections": server.connections, "requests": server.requests}
