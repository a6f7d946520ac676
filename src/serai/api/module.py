"""The module ``api.http``: the API on the home's Unix socket, and behind the edge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import msgspec

from serai.api.nudge import Nudge
from serai.api.pace import Rates
from serai.api.streams import EACH, Streams
from serai.daemon.lean import later
from serai.daemon.module import Context, Needs
from serai.errors import SeraiError
from serai.identity.throttle import Allowance
from serai.store.last_known import LastKnown

if TYPE_CHECKING:
    from serai.api.app import Front
    from serai.api.desk import Desk
    from serai.api.server import Server


class ApiConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say where the API listens, and what it takes."""

    listen: Annotated[tuple[str, ...], msgspec.Meta(description="Addresses; Unix paths are below the home.")] = (
        "unix:run/api.sock",
    )
    front: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Where the edge leads the world to: only tokens and sessions count there."),
    ] = ("unix:run/front.sock",)
    max_upload_mb: Annotated[int, msgspec.Meta(ge=1, le=1 << 20, description="Size of the largest upload, MiB.")] = 1024
    requests_each: Annotated[
        float,
        msgspec.Meta(
            gt=0, le=1e6, description="Requests a second that a user or a token may make at the front, for long."
        ),
    ] = 100.0
    requests_nobody: Annotated[
        float,
        msgspec.Meta(gt=0, le=1e6, description="The same of a network's clients that were not recognised, together."),
    ] = 10.0
    burst_seconds: Annotated[
        float, msgspec.Meta(ge=0.1, le=3600, description="Seconds' worth of requests that may come at once.")
    ] = 10.0
    streams_each: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=256,
            description="Streams (of changes, of tasks, of logs) that a user may have open, tokens included.",
        ),
    ] = EACH

    def rates(self) -> Rates:
        """Return how many requests are taken at the front."""
        return Rates(self._allowance(self.requests_each), self._allowance(self.requests_nobody))

    def _allowance(self, each_second: float) -> Allowance:
        return Allowance(max(1, int(each_second * self.burst_seconds)), 1 / each_second)


class Showing:
    """A module's context with a store that goes on showing what this host last knew while its engine is away."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.store = LastKnown(ctx.store, ctx.replica)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)


class ApiHttp:
    """Serve the API."""

    ID: ClassVar[str] = "api.http"
    Config: ClassVar[type[msgspec.Struct]] = ApiConfig
    NEEDS: ClassVar[Needs] = Needs(listen=("listen", "front"), privilege="control", copies="one")

    def __init__(self, config: ApiConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._nudge = Nudge()
        self._server: Server | None = None
        self._desk: Desk | None = None
        self._showing: Showing | None = None
        self._following: list[asyncio.Task[None]] = []

    async def provision(self) -> None:
        """Build the application, so that a service's broken route is refused before anything is replaced."""
        # In the one worker that serves it, for the framework is a quarter of all that a host imports; and in a thread,
        # for that takes half a second, in which this worker's other modules have things to do.
        await asyncio.to_thread(_load)
        from serai.api.desk import Desk, keyring_of, site_of  # noqa: PLC0415
        from serai.api.server import Server  # noqa: PLC0415

        showing = self._showing = Showing(self._ctx)
        self._desk = Desk(self._ctx, keyring_of(self._ctx.home), site_of(self._ctx.base), shown=showing.store)
        await self._desk.open()
        self._server = Server(await asyncio.to_thread(self._front, self._desk, showing))

    def _front(self, desk: Desk, showing: Showing) -> Front:
        from serai.api.app import Front, build  # noqa: PLC0415 - see `provision`

        app = build(
            cast("Context", showing),
            self._ctx.services.values(),
            desk,
            owner=self._ctx.home.stat().st_uid,
            nudge=self._nudge,
            max_upload=self._config.max_upload_mb << 20,
            rates=self._config.rates(),
            streams=Streams(self._config.streams_each),
        )
        return Front(app, self._ctx.registry)

    async def serve(self) -> None:
        """Answer until cancelled, then let requests under way end."""
        server, desk = self._server, self._desk
        if server is None or desk is None:
            return
        self._following = [
            asyncio.create_task(self._nudge.run(self._ctx.bus)),
            asyncio.create_task(desk.follow(self._nudge)),
            asyncio.create_task(desk.audit.run()),
        ]
        stops = [self._ctx.accept(sock, server.accepted) for sock in self._ctx.sockets("listen")]
        stops += [self._ctx.accept(sock, server.accepted_front) for sock in self._ctx.sockets("front")]
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for stop in stops:
                stop()
            self._nudge.close()
            await server.close(self._ctx.drain)

    async def close(self) -> None:
        """Stop following the bus and the feed."""
        for task in self._following:
            task.cancel()
        if self._following:
            await asyncio.wait(self._following)
            self._following = []
        if self._desk is not None:
            with suppress(SeraiError):
                await self._desk.audit.flush()
        if self._showing is not None:
            await self._showing.store.close()

    def status(self) -> Mapping[str, Any]:
        """Tell how many clients there are."""
        server = self._server
        if server is None:
            return {"ok": False, "reason": "not started"}
        return {"ok": True, "reason": "", "connections": server.connections, "requests": server.requests}


def _load() -> None:
    # A server's command line, a debugger, languages of configuration: nobody asks for any of them here.
    later("uvicorn", "pdb", "yaml", "logging.config")
    for name in ("app", "desk", "server"):
        import_module(f"serai.api.{name}")
