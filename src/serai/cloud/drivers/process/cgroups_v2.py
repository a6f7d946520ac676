"""Control groups of version 2: the product's path."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from serai.cloud.drivers.contract import Limits, Usage
from serai.cloud.drivers.process.cgroups import ENABLE, OVERHEAD, PERIOD, remove_group
from serai.cloud.drivers.process.cgroups_systemd import Systemd


class Unified:
    """Version 2, below ``base``, a folder that is ours; ``unit`` is what keeps it, where systemd does."""

    NAME = "v2"

    def __init__(self, base: Path, unit: Systemd | None = None) -> None:
        self._base, self._unit = base, unit

    def create(self, ident: str, limits: Limits) -> tuple[Path, ...]:
        """Make the group with its limits."""
        if self._unit and not self._base.exists():  # someone stopped the unit
            self._base = self._unit.folder() or self._base
        work = self._base / "work"
        for folder in (self._base, work):
            folder.mkdir(exist_ok=True)
            (folder / "cgroup.subtree_control").write_text(ENABLE)
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
        """Take the groups of a home away."""
        for group in (self._base / "work", self._base / "shims"):
            await remove_group(group)
        if self._unit:
            await asyncio.to_thread(self._unit.stop)
        else:
            await remove_group(self._base)


def settings_v2(limits: Limits) -> dict[str, str]:
    """Return the files of a group and what to write into them."""
    return {
        "memory.max": str(limits.memory_mb << 20),
        "pids.max": str(limits.processes + OVERHEAD),
        "cpu.max": f"{max(1000, int(limits.cpu * PERIOD))} {PERIOD}",
        "cpu.weight": str(limits.weight),
    }
