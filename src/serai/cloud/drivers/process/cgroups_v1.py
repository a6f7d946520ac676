"""Control groups of version 1: one tree per controller, and the freezer in place of cgroup.kill."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from serai.cloud.drivers.contract import Limits, Usage
from serai.cloud.drivers.process.cgroups import OVERHEAD, PERIOD, remove_group

CONTROLLERS = ("memory", "pids", "cpu", "cpuacct", "freezer")


class Legacy:
    """A group of the same name below each controller's root."""

    NAME = "v1"

    def __init__(self, root: Path, base: str) -> None:
        # "cpu,cpuacct" may be one tree with two names: links lead to the same folder.
        self._trees = {name: root / name / base for name in CONTROLLERS if (root / name).is_dir()}

    def create(self, ident: str, limits: Limits) -> tuple[Path, ...]:
        """Make the groups with their limits."""
        for tree in self._trees.values():
            (tree / ident).mkdir(parents=True, exist_ok=True)
        for controller, values in settings_v1(limits).items():
            for name, value in values.items():
                (self._trees[controller] / ident / name).write_text(value)
        with contextlib.suppress(OSError):  # a kernel without swap accounting
            (self._trees["memory"] / ident / "memory.memsw.limit_in_bytes").write_text(str(limits.memory_mb << 20))
        return self.entrances(ident)

    def entrances(self, ident: str) -> tuple[Path, ...]:
        """Return one cgroup.procs per controller."""
        return tuple(tree / ident / "cgroup.procs" for tree in self._trees.values())

    def shims(self) -> tuple[Path, ...]:
        """Make the shims' groups, without limits."""
        for tree in self._trees.values():
            (tree / "shims").mkdir(parents=True, exist_ok=True)
        return self.entrances("shims")

    def kills(self, ident: str) -> Path | None:
        """Return its memory.oom_control."""
        return self._trees["memory"] / ident / "memory.oom_control"

    def usage(self, ident: str) -> Usage | None:
        """Measure."""
        try:
            memory = int((self._trees["memory"] / ident / "memory.usage_in_bytes").read_text())
            processes = int((self._trees["pids"] / ident / "pids.current").read_text())
        except (OSError, ValueError):
            return None
        cpu: float | None = None
        with contextlib.suppress(OSError, KeyError, ValueError):
            cpu = int((self._trees["cpuacct"] / ident / "cpuacct.usage").read_text()) / 1e9
        return Usage(memory=memory, cpu=cpu, processes=max(0, processes - 2))

    async def kill(self, ident: str) -> None:
        """Freeze, kill and thaw, until nothing is left: what is frozen can't fork meanwhile."""
        freezer = self._trees.get("freezer")
        for _ in range(50):
            pids = _pids(self._trees["pids"] / ident / "cgroup.procs")
            if not pids:
                return
            if freezer:
                with contextlib.suppress(OSError):
                    (freezer / ident / "freezer.state").write_text("FROZEN")
            for pid in _pids(self._trees["pids"] / ident / "cgroup.procs"):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if freezer:
                with contextlib.suppress(OSError):
                    (freezer / ident / "freezer.state").write_text("THAWED")
            await asyncio.sleep(0.02)

    async def remove(self, ident: str) -> None:
        """Take the groups away."""
        for tree in self._trees.values():
            await remove_group(tree / ident)

    async def retire(self) -> None:
        """Take a home's group out of each tree."""
        for tree in self._trees.values():
            await remove_group(tree / "shims")
            await remove_group(tree)


def settings_v1(limits: Limits) -> dict[str, dict[str, str]]:
    """Return controllers, the files of a group and what to write into them."""
    return {
        "memory": {"memory.limit_in_bytes": str(limits.memory_mb << 20)},
        "pids": {"pids.max": str(limits.processes + OVERHEAD)},
        "cpu": {
            "cpu.cfs_period_us": str(PERIOD),
            "cpu.cfs_quota_us": str(max(1000, int(limits.cpu * PERIOD))),
            # Version 2's default weight is 100, version 1's 1024.
            "cpu.shares": str(max(2, limits.weight * 1024 // 100)),
        },
    }


def _pids(path: Path) -> list[int]:
    try:
        return [int(word) for word in path.read_text().split()]
    except OSError:
        return []
