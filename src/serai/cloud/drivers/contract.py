"""The driver contract: what an agent may ask of whatever runs an instance or a build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a workload may use at most."""

    memory_mb: int = 512
    cpu: float = 1.0  # cores
    processes: int = 128  # processes and threads
    files: int = 4096  # open files of one process
    tmp_mb: int = 64  # size of its own /tmp
    log_mb: int = 10  # of logs kept, MiB
    weight: int = 100  # share of a busy CPU, 1 to 10000; builds get less than instances


class Mount(msgspec.Struct, frozen=True):
    """A folder or file of the host that the workload sees at ``target``."""

    source: Path
    target: str
    writable: bool = False


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to run a program, as a value.

    ``id`` is unique on the host, at most 100 characters of ``[a-z0-9._-]``. ``uid`` is the host's user ID to run as
    (None: whoever the platform is, as a plain user). ``argv`` is what runs inside; ``env`` is its whole environment.
    ``network``: "private" is an own network namespace with loopback only, "egress" adds a way out to the
    internet, but neither to this host nor to other tenants nor to private addresses.
    ``port``: the TCP port that it listens on inside, 0 for none. ``build`` marks a build: where a plain user's
    workloads have no way out of their own, a build with "egress" may use the host's network instead.
    """

    id: str
    uid: int | None
    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    cwd: str = "/"
    mounts: tuple[Mount, ...] = ()
    limits: Limits = Limits()
    network: Literal["private", "egress"] = "private"
    port: int = 0
    build: bool = False


class Handle(msgspec.Struct, frozen=True, kw_only=True):
    """A started workload, as data that survives the agent: kept in ``folder/handle.json``.

    ``started`` is the shim's start time in clock ticks since boot, so that a reused pid is told from the real one.
    ``connector``: the Unix socket that hands out sockets of the workload's network namespace.
    """

    id: str
    driver: str
    pid: int
    started: int
    folder: Path
    connector: Path
    log: Path


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a workload ended. ``reason`` is one of "exited", "signal", "out_of_memory", "stopped", "lost"."""

    code: int  # exit status, or minus the signal's number
    reason: str
    when: float


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a workload uses now: octets, seconds of CPU since its start, processes; None where it can't be known."""

    memory: int | None
    cpu: float | None
    processes: int | None


class Probe(msgspec.Struct, frozen=True):
    """One ability and what trying it gave: "ok", or the reason why not. Required ones stop the driver when missing."""

    ability: str
    result: str
    required: bool = False


class Driver(Protocol):
    """Run workloads. All verbs but `expect` are coroutines, safe to cancel, and raise `SeraiError`."""

    NAME: str

    async def probe(self) -> Sequence[Probe]:
        """Try each ability by doing it."""
        ...

    def expect(self) -> None:
        """Hear that a start is likely to come within moments, so that what it needs first may be made ready."""
        ...

    async def start(self, workload: Workload) -> Handle:
        """Start it and return when its program is executing. `ExhaustedError`, `UnsupportedError`, `InvalidError`."""
        ...

    async def recover(self) -> Sequence[Handle]:
        """Find every workload that an earlier agent started and that still runs, or that ended unseen."""
        ...

    async def wait(self, handle: Handle) -> Exit:
        """Return when it has ended, at once if it has."""
        ...

    async def signal(self, handle: Handle, number: int) -> None:
        """Send a signal to its first process; nothing where it has ended."""
        ...

    async def stop(self, handle: Handle, *, grace: float = 10.0) -> Exit:
        """SIGTERM, wait ``grace`` seconds, then kill everything in it. Nothing of it is alive afterwards."""
        ...

    async def remove(self, handle: Handle) -> None:
        """Take away its cgroup, folder, network; it must have ended. Safe to call again."""
        ...

    async def retire(self) -> None:
        """Take away what it keeps on this host beyond its workloads; none may be left. Safe to use it afterwards."""
        ...

    async def usage(self, handle: Handle) -> Usage:
        """Measure it."""
        ...

    async def connections(self, handle: Handle) -> int:
        """Count established TCP connections to its port, for draining."""
        ...

    async def command(self, handle: Handle, argv: Sequence[str]) -> tuple[str, ...]:
        """Return the argument vector that runs ``argv`` inside the running workload, as a shell into it would."""
        ...
