"""What needs attention, as pages show it: the API's facts, each with the page where something is done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from serai.api.answers import segment
from serai.api.attention import Attention
from serai.console.visit import Visit
from serai.daemon.attention import Fact
from serai.errors import SeraiError

TENANTS = 8  # of a visitor's that are asked for


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """A fact, and the ways to where it is dealt with, and to what was written about it; "" where there is none."""

    fact: Fact
    path: str
    link: str
    log: str = ""


class Heed(msgspec.Struct, frozen=True, kw_only=True):
    """What needs attention; ``known`` is false where that could not be told, ``more`` where there is more than this."""

    matters: list[Matter] = []
    known: bool = True
    more: bool = False


_Way = Callable[[Fact], tuple[str, str]]


def _home(fact: Fact) -> str:
    return f"/tenants/{segment(fact.tenant)}"


def _app(fact: Fact) -> str:
    return f"{_home(fact)}/apps/{segment(fact.app)}"


def _tasks(fact: Fact) -> str:
    return f"{_home(fact)}/tasks" if fact.tenant else "/tasks"


#: What a fact is about, to the page about that and what its link says.
WAYS: Mapping[str, _Way] = {
    "release": lambda fact: (f"{_app(fact)}/releases/{segment(fact.name)}", "Look at the release"),
    "instance": lambda fact: (_app(fact), "Look at the app"),
    "domain": lambda fact: (f"{_app(fact)}/domains", "Look at its domains"),
    "tenant": lambda fact: (_home(fact), "Look at its use"),
    "task": lambda fact: (
        f"/tasks/{segment(fact.name)}",
        "Look at the task" if fact.count == 1 else "Look at the last",
    ),
    "provider": lambda fact: (f"{_tasks(fact)}/providers", "Look at providers"),
    "channel": lambda fact: (f"{_tasks(fact)}/channels", "Look at channels"),
    "host": lambda _fact: ("/status", "Look at the host"),
    "bot": lambda _fact: ("/status", "Look at the host"),
    "token": lambda fact: ("/tokens" if fact.action == "me.read" else f"{_home(fact)}/tokens", "Look at tokens"),
    "invitation": lambda fact: (f"{_home(fact)}/people" if fact.tenant else "", "Look at invitations"),
}


async def heed(visit: Visit) -> Heed:
    """Return what needs attention in all that a visitor may look after."""
    if visit.may("attention.read"):
        wheres: Sequence[str | None] = [None]
    else:
        wheres = [tenant for tenant in visit.tenants() if visit.may("attention.read", tenant)][:TENANTS]
    found = await asyncio.gather(*(_ask(visit, where) for where in wheres))
    told = [one for one in found if one is not None]
    facts = {(fact.about, fact.tenant, fact.name): fact for one in told for fact in one.items}  # one's own tokens once
    return Heed(
        matters=sorted((matter(fact) for fact in facts.values()), key=lambda one: one.fact.weight != "bad"),
        known=len(told) == len(wheres),
        more=any(one.more for one in told),
    )


async def heed_of(visit: Visit, tenant: str) -> Heed:
    """Return what needs attention in one tenant, as far as a visitor may look after it."""
    told = await _ask(visit, tenant) if visit.may("attention.read", tenant) else Attention([])
    if told is None:
        return Heed(known=False)
    return Heed(matters=[matter(fact) for fact in told.items], more=told.more)


async def _ask(visit: Visit, tenant: str | None) -> Attention | None:
    try:
        return await visit.calls.read(Attention, "/v1/attention", {"tenant": tenant})
    except SeraiError:
        return None


def matter(fact: Fact) -> Matter:
    """Return a fact with the way to where it is dealt with."""
    way = WAYS.get(fact.about)
    path, link = way(fact) if way is not None else ("", "")
    log = f"{_app(fact)}/logs?{urlencode({'name': fact.name})}" if fact.about == "instance" else ""
    return Matter(fact=fact, path=path, link=link, log=log)


def followed(visit: Visit) -> list[str]:
    """Return the channels on which things happen that may need attention."""
    found = ["host"] if visit.may("push.read") else []
    return found + [f"tenant/{tenant}" for tenant in visit.tenants()[:TENANTS] if visit.may("push.read", tenant)]
