"""A Context for tests of modules: real engines in memory or in a temporary folder, a clock that is set by hand."""

from __future__ import annotations

import asyncio
import heapq
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from prometheus_client.core import CollectorRegistry

from serai.bus.open import LocalBusServer
from serai.bus.policy import EVERYTHING, Policy
from serai.daemon.address import parse
from serai.daemon.context import Engines, ModuleContext, Open, Setting
from serai.daemon.home import Home, furnish
from serai.daemon.listeners import listen
from serai.daemon.module import Clock, Module, Needs
from serai.daemon.service import Service
from serai.daemon.settings import HostSettings, Privilege


class FakeClock:
    """A clock that stands still until `advance`."""

    def __init__(self, now: float = 1_000_000_000.0) -> None:
        self._start = now
        self._passed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Return the seconds that were advanced."""
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was advanced that far."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, id(future), future))
        await future

    def advance(self, seconds: float) -> None:
        """Let time pass and wake who slept until then; they run at the next turn of the loop."""
        self._passed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._passed:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)


@asynccontextmanager
async def context(
    home: Path,
    *,
    store: str = "memory:",
    bus: str = "",
    privilege: Privilege = "agent",
    listen_on: Mapping[str, Sequence[str]] | None = None,
    services: Mapping[str, Service] | None = None,
    clock: Clock | None = None,
    host: str = "test",
    private_networks: tuple[str, ...] = (),
    private_authorities: str = "",
) -> AsyncIterator[ModuleContext]:
    """Give a module's test all that a worker would give it, below the folder ``home``.

    ``listen_on`` opens addresses (``{"listen": ["tcp://127.0.0.1:0"]}``) for ``ctx.sockets("listen")``. ``store`` and
    ``bus`` are URLs of engines; without a ``bus`` a local one is served below ``home``. What was opened
    is closed at the end.
    """
    place = Home(home)
    furnish(place, HostSettings(name=host, uid_base=os.geteuid() + 1))
    sockets: dict[str, Open] = {}
    for field, texts in (listen_on or {}).items():
        addresses = [parse(text).resolve(home) for text in texts]
        sockets[field] = tuple((address, sock) for address in addresses for sock in listen(address))
    server = None if bus else LocalBusServer(place.path / "run/bus.sock")
    if server is not None:
        await server.start()
    engines = Engines(place, services, store=store, bus=bus)
    setting = Setting(
        home=place,
        host=host,
        base="localhost",
        group="test",
        worker=0,
        drain=5.0,
        bus_policy=Policy({os.geteuid(): EVERYTHING}),
        services=services or {},
        private_networks=private_networks,
        private_authorities=private_authorities,
    )
    needs = Needs(listen=tuple(sockets), privilege=privilege)
    log: structlog.stdlib.BoundLogger = structlog.get_logger(group="test")
    ctx = ModuleContext(
        setting, engines, needs=needs, sockets=sockets, log=log, registry=CollectorRegistry(), clock=clock
    )
    try:
        yield ctx
    finally:
        ctx.stop_accepting()
        await engines.close()
        if server is not None:
            await server.close()
        for sock in _all(sockets):
            sock.close()


@asynccontextmanager
async def serving(module: Module) -> AsyncIterator[None]:
    """Provision a module, let it serve inside the block, then drain and close it."""
    await module.provision()
    task = asyncio.create_task(module.serve())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await module.close()


def _all(sockets: Mapping[str, Open]) -> list[socket.socket]:
    return [sock for opened in sockets.values() for _, sock in opened]
