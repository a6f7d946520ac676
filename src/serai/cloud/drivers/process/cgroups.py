"""Control groups: how much memory, CPU and how many processes a workload may use.

Version 2 is the product's path; version 1 is a thin adapter for hosts that still have it; a plain user without a
delegated subtree has none, and `Groups` then holds nothing back: rlimits and the shim's watch remain.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Protocol

from serai.cloud.drivers.contract import Limits, Usage

ROOT = Path("/sys/fs/cgroup")
OVERHEAD = 3  # bubblewrap's two processes and the launcher count, too
PERIOD = 100_000  # microseconds, of CPU quota
NEEDED = ("memory", "pids", "cpu")


class Groups(Protocol):
    """What the driver asks of control groups; all paths are of files that take a process in."""

    NAME: str

    def create(self, ident: str, limits: Limits) -> tuple[Path, ...]:
        """Make the group of a workload; raise OSError where the kernel refuses."""
        ...

    def entrances(self, ident: str) -> tuple[Path, ...]:
        """Return the files of an existing group that take a process in."""
        ...

    def shims(self) -> tuple[Path, ...]:
        """Make the group that all shims share, so that the death of a caller's group is not theirs."""
        ...

    def kills(self, ident: str) -> Path | None:
        """Return the file that counts processes killed for want of memory."""
        ...

    def usage(self, ident: str) -> Usage | None:
        """Measure; None where there is no group."""
        ...

    async def kill(self, ident: str) -> None:
        """Kill everything in the group, also what forks meanwhile."""
        ...

    async def remove(self, ident: str) -> None:
        """Take the group away; nothing where there is none."""
        ...

    async def retire(self) -> None:
        """Take the home's own groups away; no workload may be left."""
        ...


class NoGroups:
    """Control groups of a host that has none to give."""

    NAME = "none"

    def create(self, ident: str, limits: Limits) -> tuple[Path, ...]:  # noqa: ARG002
        """Make nothing."""
        return ()

    def entrances(self, ident: str) -> tuple[Path, ...]:  # noqa: ARG002
        """Return nothing to enter."""
        return ()

    def shims(self) -> tuple[Path, ...]:
        """Make nothing."""
        return ()

    def kills(self, ident: str) -> Path | None:  # noqa: ARG002
        """Return None: the shim's watch counts."""
        return None

    def usage(self, ident: str) -> Usage | None:  # noqa: ARG002
        """Return None."""
        return None

    async def kill(self, ident: str) -> None:
        """Do nothing: who kills a PID namespace's first process kills them all."""

    async def remove(self, ident: str) -> None:
        """Do nothing."""

    async def retire(self) -> None:
        """Do nothing."""


class Unified:
    """Version 2, below ``base``, a folder that is ours and has the controllers enabled for its children."""

    NAME = "v2"

    def __init__(self, base: Path) -> None:
        self._base = base

    def create(self, ident: str, limits: Limits) -> tuple[Path, ...]:
        """Make the group with its limits."""
        work = self._base / "work"
        for folder in (self._base, work):
            folder.mkdir(exist_ok=True)
            (folder / "cgroup.subtree_control").write_text(" ".join("+" + name for name in NEEDED))
        group = work / ident
        group.mkdir(exist_ok=True)
        for name, value in settings_v2(limits).items():
            (group / name).write_text(value)
        with contextlib.suppress(OSError):  # a kernel without swap accounting
            (group / "memory.swap.max").write_text("0")
        return self.entrances(ident)

    def entrances(self, ident: str) -> tuple[Path, ...]:
        """Return its cgroup.procs."""
        return (self._base / "work" / ident / "cgroup.procs",)

    def shims(self) -> tuple[Path, ...]:
        """Make the shims' group, without limits."""
        folder = self._base / "shims"
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / "cgroup.procs",)

    def kills(self, ident: str) -> Path | None:
        """Return its memory.events."""
        return self._base / "work" / ident / "memory.events"

    def usage(self, ident: str) -> Usage | None:
        """Measure."""
        group = self._base / "work" / ident
        try:
            memory = int((group / "memory.current").read_text())
            stat = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
            processes = int((group / "pids.current").read_text())
        except (OSError, ValueError):
            return None
        return Usage(memory=memory, cpu=int(stat.get("usage_usec", 0)) / 1e6, processes=max(0, processes - 2))

    async def kill(self, ident: str) -> None:
        """Have the kernel kill all at once (Linux 5.14)."""
        with contextlib.suppress(OSError):
            (self._base / "work" / ident / "cgroup.kill").write_text("1")

    async def remove(self, ident: str) -> None:
        """Take the group away when its last process is reaped."""
        await remove_group(self._base / "work" / ident)

    async def retire(self) -> None:
        """Take the three groups of a home away."""
        for group in (self._base / "work", self._base / "shims", self._base):
            await remove_group(group)


def settings_v2(limits: Limits) -> dict[str, str]:
    """Return the files of a group and what to write into them."""
    return {
        "memory.max": str(limits.memory_mb << 20),
        "pids.max": str(limits.processes + OVERHEAD),
        "cpu.max": f"{max(1000, int(limits.cpu * PERIOD))} {PERIOD}",
        "cpu.weight": str(limits.weight),
    }


async def remove_group(group: Path) -> None:
    """Remove a folder of a control group; the kernel holds it until its last process is reaped."""
    for _ in range(100):
        try:
            os.rmdir(group)  # noqa: PTH106  it does not block
        except FileNotFoundError:
            return
        except OSError:
            await asyncio.sleep(0.02)
        else:
            return


def open_groups(name: str, root: Path = ROOT) -> Groups:
    """Return the control groups that this process may use, in a group called ``name``."""
    from serai.cloud.drivers.process.cgroups_v1 import Legacy  # noqa: PLC0415  it needs this module's helpers

    own = Path("/proc/self/cgroup").read_text()
    below = next((line[3:] for line in own.splitlines() if line.startswith("0::")), "/")
    controllers = _words(root / "cgroup.controllers")
    if set(NEEDED) <= controllers:
        base = _delegated(root / below.lstrip("/")) or root
        if os.access(base / "cgroup.subtree_control", os.W_OK):
            return Unified(base / name)
        return NoGroups()
    if all(os.access(root / one / "cgroup.procs", os.W_OK) for one in NEEDED):
        return Legacy(root, name)
    return NoGroups()


def _delegated(own: Path) -> Path | None:
    """Return the nearest group at or above ``own`` that systemd handed to us, or None."""
    for group in (own, *own.parents):
        with contextlib.suppress(OSError):
            if b"1" in {os.getxattr(group, key) for key in os.listxattr(group) if key.endswith(".delegate")}:
                _into_leaf(group)
                return group
        if group == ROOT:
            break
    return None


def _into_leaf(group: Path) -> None:
    """Move the platform itself into a leaf: a group with processes can't hand controllers to its children."""
    leaf = group / "platform"
    leaf.mkdir(exist_ok=True)
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (leaf / "cgroup.procs").write_text(pid)
    (group / "cgroup.subtree_control").write_text(" ".join("+" + name for name in NEEDED))


def _words(path: Path) -> set[str]:
    try:
        return set(path.read_text().split())
    except OSError:
        return set()
