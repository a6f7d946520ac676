"""The module contract: the life of everything that listens or watches.

1. The supervisor reads ``Config`` (strictly: unknown keys are errors) and ``NEEDS`` (data) without making anything.
2. It opens the sockets that NEEDS and the configuration name, forks the group's workers, and drops their privileges.
3. In the worker: ``__init__(config, ctx)``, without side effects.
4. ``provision()`` acquires, fast, and raises `SeraiError` where the configuration can't be served: a reload is then
   rolled back. After a temporary one (`UnavailableError`) it is called again for some seconds: groups start side by
   side, and one may need what another makes.
5. ``serve()`` runs until it is cancelled; it then drains: it finishes what was accepted, within ``ctx.drain`` seconds.
6. ``close()`` lets go of everything; it is safe after a partial provision.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import msgspec

from serai.bus.policy import NOTHING, Policy, Rights

if TYPE_CHECKING:
    from collections.abc import Mapping

    import structlog
    from prometheus_client.core import CollectorRegistry

    from serai.bus import Bus
    from serai.daemon.address import Address
    from serai.daemon.handover import Taker
    from serai.daemon.service import Service
    from serai.store import Replica, Store


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a module needs, as data, so that `serai plan` can print the machine without starting it.

    ``listen`` names the fields of Config that hold addresses (a tuple of strings such as ``tcp://0.0.0.0:8080``,
    ``tcp://[::]:8080``, ``udp://…``, ``unix:run/api.sock``; relative Unix paths lie below the home). A field named like
    a scheme over TLS (``https``) says that TLS is spoken at all its addresses.
    ``privilege``: "edge" (network-facing, sees the replica only), "control" (sees the store), "agent" (root where the
    platform runs as root). ``copies``: may a group of several workers each run it, or does one process of the host?
    While a worker is replaced, the ``serve()`` of a module with ``copies="one"`` begins only after the old one's
    ``close()``; ``provision()`` runs beside it. ``bus`` says what it does on the bus: workers that face the
    network are held to it, since they may be taken over, and all others trust what the bus brings.
    """

    listen: tuple[str, ...] = ()
    privilege: Literal["edge", "control", "agent"] = "edge"
    copies: Literal["one", "per_worker"] = "per_worker"
    bus: Rights = NOTHING


class Clock(Protocol):
    """The time, replaceable in tests."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Context(Protocol):
    """The only doorway of a module to the rest of the house.

    Each property is made at first use. ``store`` is denied (`DeniedError`) to modules whose privilege is "edge".
    """

    home: Path
    host: str  # this host's name
    base: str  # BASE of the platform's own host names
    group: str  # the worker group's name
    worker: int  # number of this worker within its group, from 0
    drain: float  # seconds that serve() has to finish after it is cancelled
    clock: Clock
    log: structlog.stdlib.BoundLogger
    registry: CollectorRegistry  # metrics made here appear under /metrics, summed over workers

    private_networks: tuple[str, ...]  # that may be connected to where tenants say so
    private_authorities: str  # a file with certificates of authorities for hosts that they name; "" for none
    bus_policy: Policy  # who may do what on the bus, for the module that serves it
    services: Mapping[str, Service]  # manifests of all services of this installation, by name

    @property
    def store(self) -> Store:
        """The store; each commit is announced on the bus as "store.change" and, with tasks, "tasks.new"."""
        ...

    @property
    def replica(self) -> Replica:
        """This host's copy of the descriptors."""
        ...

    @property
    def bus(self) -> Bus:
        """The connection to the bus."""
        ...

    def offer(self, name: str, taker: Taker | None) -> None:
        """Take over requests of that name from other modules of this worker; None ends it.

        `AlreadyExistsError` where another module does. See `serai.daemon.handover`.
        """
        ...

    def offered(self, name: str) -> Taker | None:
        """Return who takes over requests of that name in this worker, None for nobody."""
        ...

    def sockets(self, field: str) -> Sequence[socket.socket]:
        """Return the open sockets of the Config field ``field``, in its order; the supervisor owns them.

        An address such as ``tcp://*:80`` has two: IPv4 and IPv6. Of UDP sockets each worker has its own.
        """
        ...

    def addresses(self, field: str) -> Sequence[Address]:
        """Return the address of each socket of `sockets`, in the same order; ``tls`` says whether to speak TLS."""
        ...

    def accept(
        self,
        sock: socket.socket,
        accepted: Callable[[socket.socket, Any], None],
        wait: Callable[[], float] | None = None,
    ) -> Callable[[], None]:
        """Call ``accepted(socket, peer address)`` for each connection; return what stops it.

        It is the accept loop that drops nobody: after the stop, connections already accepted have been handed over
        and those still in the kernel's queue go to the next worker. The sockets are non-blocking. ``wait`` is asked
        before each connection for how many seconds it is to be left to the other workers, 0 if for none.
        """
        ...


class Halts(Protocol):
    """What a module also has if something of it outlives its process: the host is going down for good."""

    async def halt(self) -> None:
        """End what must not go on without a host; ``serve`` may not have begun, and is cancelled afterwards.

        Modules that stand behind this one in their worker were asked before.
        """
        ...


class Module(Protocol):
    """A unit of the daemon, loaded by ID."""

    ID: ClassVar[str]
    Config: ClassVar[type[msgspec.Struct]]
    NEEDS: ClassVar[Needs]

    def __init__(self, config: Any, ctx: Context) -> None: ...

    async def provision(self) -> None:
        """Acquire what is needed."""
        ...

    async def serve(self) -> None:
        """Run until cancelled, then drain."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Tell `serai status` how it goes: ``{"ok": bool, "reason": str, …figures}``; called often, must be cheap."""
        ...
