"""The host's state as people read it: a line per worker, then what is wrong, once, with where it is and what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

MIB = 1 << 20
AGENT = "apps.agent"  # the module whose figures are the instances of this host
COLUMNS = ("worker", "pid", "state", "uptime", "memory", "modules")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))  # seconds


def rows(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the table of workers of a `serai.daemon.status.HostStatus` as plain data."""
    return [
        {
            "worker": _name(worker),
            "pid": worker["pid"],
            "state": "not well" if worker["reason"] else worker["state"],
            "uptime": duration(worker["uptime_seconds"]),
            "memory": f"{worker['memory'] / MIB:.1f} MiB",
            "modules": sorted(worker["modules"]),
        }
        for worker in told["workers"]
    ]


def verdict(told: Mapping[str, Any]) -> str:
    """Return what stands below the table: all green, or each cause with its places; ends with the host's figures."""
    causes = [line for reason, places in _causes(told).items() for line in _cause(reason, places)]
    restarts = [f"{group} {count}" for group, count in told["restarts"].items() if count]
    if restarts:
        causes.append(f"Workers that ended by themselves and were replaced: {', '.join(restarts)}.")
    agents = [worker["modules"][AGENT] for worker in told["workers"] if AGENT in worker["modules"]]
    causes += [f"Of a tenant: {' '.join(one.split())}" for agent in agents for one in agent.get("failing", ())]
    head = "All green." if told["ok"] else "Not well."
    if not told["ok"]:
        causes.append(f"More is in {told['home']}/logs/serai.jsonl.")
    return "\n".join([*causes, f"{head} {'; '.join(_figures(told))}."])


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


def _causes(told: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return reason to places: one cause, such as a full disk, is the trouble of many modules."""
    causes: dict[str, list[str]] = defaultdict(list)
    of_workers = set()
    for worker in told["workers"]:
        of_workers.add(f"{_name(worker)}: {worker['reason']}")
        ill = {ref: module for ref, module in worker["modules"].items() if not module.get("ok", True)}
        for ref, module in ill.items():
            causes[str(module.get("reason", "not ok"))].append(f"{ref} in {_name(worker)}")
        if worker["reason"] and not ill:
            causes[worker["reason"]].append(_name(worker))
    for reason in told["reasons"]:
        if reason not in of_workers:
            causes[reason] = []
    return causes


def _cause(reason: str, places: list[str]) -> Iterator[str]:
    sentence = reason.rstrip(".")
    yield f"- {sentence[:1].upper()}{sentence[1:]}." if places else f"- {sentence}."
    if places:
        yield f"  ({', '.join(places)})"


def _figures(told: Mapping[str, Any]) -> Iterator[str]:
    up = duration(told["uptime_seconds"])
    yield f"Serai {told['version']} on {told['host']}, up {up}, {told['memory'] / MIB:.0f} MiB"
    agents = [worker["modules"][AGENT] for worker in told["workers"] if AGENT in worker["modules"]]
    if agents:
        ready, there = (sum(agent.get(field, 0) for agent in agents) for field in ("ready", "instances"))
        yield f"{ready} of {there} instances ready"
    yield f"store: {told['store']}"


def _name(worker: Mapping[str, Any]) -> str:
    return f"{worker['group']}/{worker['index']}"
