"""The platform's own numbers, of what the supervisor knows of its workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serai.daemon import control
from serai.daemon import figures as f
from serai.errors import SeraiError

_MILLI = 1000
#: Of which figures of which modules gauges are made, summed over workers: those that stand, and those that only grow.
_STANDING = {
    "tasks.bot": {"running": f.TASKS_RUNNING},
    "edge.http": {"connections": f.CONNECTIONS, "held_requests": f.HELD},
}
_GROWING = {"tasks.bot": {"done": f.TASKS_DONE, "failed": f.TASKS_FAILED}, "api.http": {"requests": f.API_REQUESTS}}

Figures = dict[tuple[int, str, int], int]  # worker's process, module, column


class Platform:
    """Look now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: tuple[float, Figures] | None = None

    async def look(self, now: float) -> dict[int, int]:
        """Return gauges: of what only grows, thousandths a second since the last look; {} without a supervisor."""
        try:
            told = await control.request(self._path, "status")
        except SeraiError:
            return {}
        return self._gauges(told, now)

    def _gauges(self, told: Mapping[str, Any], now: float) -> dict[int, int]:
        workers = told.get("workers", [])
        gauges = {f.PLATFORM_MEMORY: int(told.get("memory", 0)), f.PLATFORM_WORKERS: len(workers)}
        for (_, _, column), value in collect(workers, _STANDING).items():
            gauges[column] = gauges.get(column, 0) + value
        grown = collect(workers, _GROWING)
        before, self._before = self._before, (now, grown)
        if before is not None and now > before[0]:
            for key, value in grown.items():
                # A worker that was not there before has counted from nothing since.
                added = max(0, value - before[1].get(key, 0))
                gauges[key[2]] = gauges.get(key[2], 0) + int(added * _MILLI / (now - before[0]))
        return gauges


def collect(workers: Any, columns: Mapping[str, Mapping[str, int]]) -> Figures:
    """Return the figures that are wanted of workers' modules, labels left out."""
    found: Figures = {}
    for worker in workers:
        for ref, status in worker.get("modules", {}).items():
            for name, column in columns.get(ref.partition("@")[0], {}).items():
                value = status.get(name)
                if isinstance(value, int) and value >= 0:
                    found[worker["pid"], ref, column] = value
    return found
