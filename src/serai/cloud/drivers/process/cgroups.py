"""Control groups: how much memory, CPU and how many processes a workload may use.

Version 2 is the product's path; version 1 is a thin adapter for hosts that still have it; a plain user without a
delegated subtree has none, and `Groups` then holds nothing back: rlimits and the shim's watch remain.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Protocol

from serai.cloud.drivers.contract import Limits, Usage

OVERHEAD = 3  # bubblewrap's two processes and the launcher count, too
PERIOD = 100_000  # microseconds, of CPU quota
NEEDED = frozenset({"memory", "pids", "cpu"})
ENABLE = "+cpu +memory +pids"  # for cgroup.subtree_control


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
