"""The driver contract: what an agent may ask of whatever runs an instance or a build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

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


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A program to be run inside a workload that runs already, for somebody who is elsewhere.

    ``argv`` () is a shell of the driver's choice; ``env`` its whole environment. ``size`` (rows, columns) gives it a
    terminal of its own, None pipes. ``folder`` is empty and the caller's; its name is public. In it appears the socket
    ``door``, which only the user ``owner`` (None: the platform's own) may connect to, and where everyone is greeted
    with ``greeting``; see `serai.cloud.visiting`. Seconds: ``idle`` without input or output, ``detached`` without a
    reader, ``seconds`` in all; then it is ended.
    """

    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    size: tuple[int, int] | None = None
    folder: Path
    owner: int | None = None
    greeting: bytes = b""
    idle: int = 3600
    detached: int = 60
    seconds: int = 86400


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A program that was entered, by the process that stays with it; kept in ``folder``."""

    pid: int
    started: int
    folder: Path

    @property
    def door(self) -> Path:
        """The socket where its input and output are."""
        return self.folder / "door"


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


@runtime_checkable
class Enterable(Protocol):
    """Run further programs inside of what runs: as locked in as it is, within its limits, and no longer than it."""

    async def enter(self, handle: Handle, entry: Entry) -> Visit:
        """Start it and return when it is executing.

        `ConflictError` where the workload has ended, `InvalidError` for a program that can't be run.
        """
        ...

    async def visits(self, folder: Path) -> Sequence[Visit]:
        """Find those whose folders are in ``folder``, also of an earlier agent, whether they still run or not."""
        ...

    async def left(self, visit: Visit) -> Exit:
        """Return when it has ended, at once if it has. Further reasons: "ended", "idle", "detached", "expired"."""
        ...

    async def leave(self, visit: Visit) -> Exit:
        """Hang up, kill what stays of its session, and return when that is done."""
        ...
