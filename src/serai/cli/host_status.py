"""The host's state as people read it: a line per worker, then what is wrong, once, with where it is and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serai.daemon.causes import causes, duration, name_of

MIB = 1 << 20
AGENT = "apps.agent"  # the module whose figures are the instances of this host
COLUMNS = ("worker", "pid", "state", "uptime", "memory", "modules")


def rows(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the table of workers of a `serai.daemon.status.HostStatus` as plain data."""
    return [
        {
            "worker": name_of(worker),
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
    found = [line for reason, places in causes(told).items() for line in _cause(reason, places)]
    restarts = [f"{group} {count}" for group, count in told["restarts"].items() if count]
    if restarts:
        found.append(f"Workers that ended by themselves and were replaced: {', '.join(restarts)}.")
    agents = [worker["modules"][AGENT] for worker in told["workers"] if AGENT in worker["modules"]]
    found += [f"Of a tenant: {' '.join(one.split())}" for agent in agents for one in agent.get("failing", ())]
    head = "All green." if told["ok"] else "Not well."
    if not told["ok"]:
        found.append(f"More is in {told['home']}/logs/serai.jsonl.")
    return "\n".join([*found, f"{head} {'; '.join(_figures(told))}."])


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
