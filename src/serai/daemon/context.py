"""The Context that a worker gives its modules: engines made at first use, sockets, clock, log, metrics."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from prometheus_client.core import CollectorRegistry

from serai.bus.policy import Policy
from serai.daemon.accept import AcceptLoop
from serai.daemon.address import Address
from serai.daemon.handover import Taker
from serai.daemon.home import Home, lost_store
from serai.daemon.module import Clock, Needs
from serai.daemon.service import Service, kinds_of, load
from serai.errors import AlreadyExistsError, DeniedError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.store.contract import NewTask

if TYPE_CHECKING:
    from serai.bus import Bus
    from serai.store import Replica, Spec, Store, Transaction

Open = tuple[tuple[Address, socket.socket], ...]


class SystemClock:
    """The time as the system tells it."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Engines:
    """Store, replica and bus of one process, shared by its modules and opened at first use."""

    def __init__(
        self, home: Home, services: Mapping[str, Service] | None = None, *, store: str = "", bus: str = ""
    ) -> None:
        self._home = home
        self._services = services or {}
        self._store_url = store or home.store
        self._bus_url = bus or home.bus
        self._store: Store | None = None
        self._replicas: dict[Path, Replica] = {}
        self._bus: Bus | None = None
        self._background: set[asyncio.Task[None]] = set()
        self.offers: dict[str, Taker] = {}

    # Engines are imported by name: a process loads only what its modules use.
    def store(self) -> Store:
        """Return the store; its commits are announced on the bus."""
        if self._store is None:
            create = self._store_url != self._home.store or not lost_store(self._home)
            self._store = load("serai.store.open:open_store")(self._store_url, kinds=self._kinds(), create=create)
            self._store.on_commit.append(self._committed)
            self._store.on_apply.append(self._applied)
        return self._store

    def replica(self, *, public: bool = False) -> Replica:
        """Return the read-only replica: of all kinds, or of those that network-facing workers may read."""
        folder = self._home.public_replica if public else self._home.replica
        if folder not in self._replicas:
            self._replicas[folder] = load("serai.store.replica:Replica")(folder)
        return self._replicas[folder]

    def bus(self) -> Bus:
        """Return the connection to the bus."""
        if self._bus is None:
            self._bus = load("serai.bus.open:open_bus")(self._bus_url)
        return self._bus

    async def close(self) -> None:
        """Let go of what was opened; safe to call twice."""
        for task in self._background:
            task.cancel()
        store, replicas, bus = self._store, self._replicas, self._bus
        self._store = self._bus = None
        self._replicas = {}
        if store is not None:
            await store.close()
        for replica in replicas.values():
            replica.close()
        if bus is not None:
            await bus.close()

    def _kinds(self) -> list[type[Spec]]:
        return [Tenant, *kinds_of(self._services.values())]  # whose quotas bound what services' kinds do

    # Nudges for those who wait: a lost one only costs them their poll interval.
    def _committed(self, last_change: int) -> None:
        self._soon(self.bus().publish("store.change", last_change))

    def _applied(self, transaction: Transaction, _done: object) -> None:
        queues = {each.queue for each in transaction.operations if isinstance(each, NewTask)}
        for queue in sorted(queues):
            self._soon(self.bus().publish("tasks.new", queue))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for all modules of a worker."""

    home: Home
    host: str
    base: str
    group: str
    worker: int
    drain: float
    bus_policy: Policy
    store: str = ""
    services: Mapping[str, Service] = {}
    private_networks: tuple[str, ...] = ()
    private_authorities: str = ""


class ModuleContext:
    """Implement `serai.daemon.module.Context` for one module."""

    def __init__(
        self,
        setting: Setting,
        engines: Engines,
        *,
        needs: Needs,
        sockets: Mapping[str, Open],
        log: structlog.stdlib.BoundLogger,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.home: Path = setting.home.path
        self.host = setting.host
        self.base = setting.base
        self.group = setting.group
        self.worker = setting.worker
        self.drain = setting.drain
        self.private_networks = setting.private_networks
        self.private_authorities = setting.private_authorities
        self.bus_policy = setting.bus_policy
        self.services = setting.services
        self.clock: Clock = clock or SystemClock()
        self.log = log
        self.registry = registry or CollectorRegistry()
        self._engines = engines
        self._needs = needs
        self._sockets = sockets
        self._accepting: list[AcceptLoop] = []

    @property
    def store(self) -> Store:
        """The store; `DeniedError` for network-facing modules."""
        if self._needs.privilege == "edge":
            raise DeniedError("A network-facing module sees the replica only, not the store.")
        return self._engines.store()

    @property
    def replica(self) -> Replica:
        """This host's copy of the descriptors; network-facing modules get the public kinds."""
        return self._engines.replica(public=self._needs.privilege == "edge")

    @property
    def bus(self) -> Bus:
        """The bus."""
        return self._engines.bus()

    def offer(self, name: str, taker: Taker | None) -> None:
        """Take requests over from the other modules of this worker; None takes the offer back."""
        if taker is None:
            self._engines.offers.pop(name, None)
        elif self._engines.offers.setdefault(name, taker) is not taker:
            raise AlreadyExistsError(f"Another module of this worker takes {name}.")

    def offered(self, name: str) -> Taker | None:
        """Return who takes over requests of that name, None for nobody."""
        return self._engines.offers.get(name)

    def sockets(self, field: str) -> Sequence[socket.socket]:
        """Return the open sockets of a Config field, in its order; an address may have several."""
        return [sock for _, sock in self._open(field)]

    def addresses(self, field: str) -> Sequence[Address]:
        """Return the address of each socket of `sockets`, in the same order: it says whether to speak TLS."""
        return [address for address, _ in self._open(field)]

    def accept(
        self,
        sock: socket.socket,
        accepted: Callable[[socket.socket, Any], None],
        wait: Callable[[], float] | None = None,
    ) -> Callable[[], None]:
        """Call ``accepted(socket, peer address)`` for each connection; return what stops it."""
        loop = AcceptLoop(sock, accepted, self.log, wait)
        self._accepting.append(loop)
        return loop.stop

    def stop_accepting(self) -> None:
        """Stop all accept loops: a worker does it before it lets its modules drain."""
        for loop in self._accepting:
            loop.stop()
        self._accepting.clear()

    def _open(self, field: str) -> Open:
        if field not in self._sockets:
            raise NotFoundError(f"The module's NEEDS.listen does not name {field!r}.")
        return self._sockets[field]
