"""Why a host is not well, told once for each cause: what `serai.daemon.status` gathers, read for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))  # seconds


def duration(seconds: float) -> str:
    """Return a time in its two greatest units: ``3 d 4 h``, ``59 s``."""
    left = int(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts) or "0 s"


def causes(told: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return reason to places: one cause, such as a full disk, is the trouble of many modules."""
    found: dict[str, list[str]] = defaultdict(list)
    of_workers = set()
    for worker in told["workers"]:
        of_workers.add(f"{name_of(worker)}: {worker['reason']}")
        ill = {ref: module for ref, module in worker["modules"].items() if not module.get("ok", True)}
        for ref, module in ill.items():
            found[str(module.get("reason", "not ok"))].append(f"{ref} in {name_of(worker)}")
        if worker["reason"] and not ill:
            found[worker["reason"]].append(name_of(worker))
    for reason in told["reasons"]:
        if reason not in of_workers:
            found[reason] = []
    return found


def name_of(worker: Mapping[str, Any]) -> str:
    """Return what a worker is called."""
    return f"{worker['group']}/{worker['index']}"
