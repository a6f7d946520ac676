"""This host: is it well, and if not, why; its workers and modules, its sockets, its instances, its bots."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from serai.api.copied import Copied
from serai.console.depend import Visitor
from serai.console.nav import Nav
from serai.console.render import count, octets
from serai.console.visit import Visit
from serai.daemon.causes import causes, duration, name_of
from serai.errors import DeadlineError, UnavailableError

NAV = (Nav(title="Status", path="/status", order=85, action="host.status"),)
FEW = 50  # bots that are named
_SAID = frozenset({"ok", "reason"})  # of a module's status, shown as its state


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as people read it; ``memory`` in octets."""

    name: str
    state: str
    pid: int
    up: str
    memory: int
    modules: tuple[str, ...]


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A module of the machine, with what all workers that run it say of themselves together."""

    name: str
    group: str
    user: str
    sockets: tuple[str, ...]
    processes: int
    state: str
    reasons: tuple[str, ...]
    figures: str


@get("/status")
async def status(visit: Visitor) -> Response[str]:
    """Show the host's state; the last known one from its own copy while the store is away."""
    if not visit.may("host.status"):
        await visit.calls.get("/v1/status")  # is refused, once
    (told, away), (plan, _), (bots, _), copied = await asyncio.gather(
        _ask(visit, "/v1/status"), _ask(visit, "/v1/plan"), _ask(visit, "/v1/bots"), _copied(visit)
    )
    return visit.page(
        "status.html",
        title="Status",
        told=told,
        away=away,
        causes=list(causes(told).items()) if told else [],
        up=duration(told["uptime_seconds"]) if told else "",
        workers=_workers(told) if told else [],
        modules=_modules(plan or [], told),
        copied=copied,
        bots=bots["items"][:FEW] if bots else None,
        channels=["host"] if visit.may("push.read") else [],
    )


async def _ask(visit: Visit, path: str) -> tuple[Any, str]:
    """Return an answer and "", or None and why whoever knows it is away: the page has the rest all the same."""
    try:
        return await visit.calls.get(path), ""
    except (UnavailableError, DeadlineError) as error:
        return None, error.public


async def _copied(visit: Visit) -> Copied | None:
    try:
        return await visit.calls.read(Copied, "/v1/replica")
    except (UnavailableError, DeadlineError):
        return None


def _workers(told: Mapping[str, Any]) -> list[Worker]:
    return [
        Worker(
            name=name_of(one),
            state="not well" if one["reason"] else one["state"],
            pid=one["pid"],
            up=duration(one["uptime_seconds"]),
            memory=one["memory"],
            modules=tuple(sorted(one["modules"])),
        )
        for one in told["workers"]
    ]


def _modules(plan: Sequence[Mapping[str, Any]], told: Mapping[str, Any] | None) -> list[Module]:
    said: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for worker in told["workers"] if told is not None else ():
        for name, one in worker["modules"].items():
            said[worker["group"], name].append(one)
    found = []
    for row in plan:
        here = said.get((row["group"], row["module"]), [])
        ill = tuple(dict.fromkeys(str(one.get("reason", "")) for one in here if not one.get("ok", True)))
        found.append(
            Module(
                name=row["module"],
                group=row["group"],
                user=row["user"].partition(" (")[0],
                sockets=tuple(row["sockets"]),
                processes=row["processes"],
                state="not well" if ill else "ok" if here else "not told",
                reasons=ill,
                figures=_figures(here),
            )
        )
    return found


def _figures(said: Sequence[Mapping[str, Any]]) -> str:
    """Return the numbers of a module, summed over its workers, and the words that they all say."""
    sums: dict[str, int | float] = defaultdict(int)
    words: dict[str, str] = {}
    for one in said:
        for key, value in one.items():
            if key in _SAID or isinstance(value, bool):
                continue
            if isinstance(value, int | float):
                sums[key] += value
            elif isinstance(value, str) and value:
                words[key] = value
    texts = [f"{key.replace('_', ' ')} {value}" for key, value in words.items()]
    return ", ".join([*texts, *(_figure(key, value) for key, value in sums.items())])


def _figure(key: str, value: float) -> str:
    words = key.replace("_", " ")
    if "octets" in key:
        return f"{words.replace(' octets', '')} {octets(value)}"
    return f"{words} {count(int(value) if value == int(value) else round(value, 3))}"


ROUTES: list[ControllerRouterHandler] = [status]
