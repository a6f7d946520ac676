"""What a tenant's page is made of: asked of the API all at once, and only as far as the visitor may know it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from serai.api.answers import Parameters, descriptor, segment
from serai.api.shapes import Descriptor, Page
from serai.api.tenants import Usage
from serai.console.heeding import Heed, Matter, heed_of
from serai.console.visit import Visit
from serai.daemon.attention import Fact
from serai.errors import SeraiError
from serai.services.series.asking import Curves, Glance, Look

FEW = 8  # apps and members that the page names; the rest is behind a link
LATELY = 30  # seconds in which a number counts as of now
MIB = 1 << 20
NUMBERS = "memory,data,processes"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant at a glance. What could not be told, or is not for the visitor, is None or empty."""

    title: str
    quotas: Mapping[str, int]
    need: Mapping[str, int] | None
    waiting: int | None
    now: Mapping[str, float]
    apps: Sequence[Descriptor]
    more_apps: bool
    looks: Mapping[str, Look]
    members: Sequence[Descriptor]
    more_members: bool
    heed: Heed


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A quota and what there is of it: ``octets`` says that its numbers are, ``now`` is what is in use."""

    name: str
    about: str
    used: int
    most: int
    octets: bool = False
    now: float | None = None


async def gather(visit: Visit) -> Facts:
    """Return what there is to show; `NotFoundError` where the tenant is not there."""
    tenant, calls = visit.tenant, visit.calls
    own = descriptor("tenant", tenant, tenant)
    few: Parameters = {"tenant": tenant, "limit": FEW}
    there, usage, need, apps, members, told, curves = await asyncio.gather(
        calls.read(Descriptor, own, keep=True),
        _asked(visit, "usage.read", Usage, f"/v1/tenants/{segment(tenant)}/usage"),
        _asked(visit, "need.read", Descriptor, descriptor("need", tenant, tenant)),
        _asked(visit, "app.read", Page, "/v1/app", few),
        _asked(visit, "member.read", Page, "/v1/member", few),
        heed_of(visit, tenant),
        _asked(visit, "series.read", Curves, f"/v1/series/{segment(tenant)}", {"names": NUMBERS, "from": -LATELY}),
    )
    spec = there.spec
    return Facts(
        title=spec.get("title", ""),
        quotas={key: value for key, value in spec.items() if isinstance(value, int)},
        need=need.spec if need is not None else {} if visit.may("need.read", tenant) else None,
        waiting=usage.tasks_waiting if usage is not None else None,
        now=_now(curves),
        apps=apps.items if apps is not None else (),
        more_apps=bool(apps is not None and apps.next),
        looks=await _looks(visit, apps.items if apps is not None else ()),
        members=members.items if members is not None else (),
        more_members=bool(members is not None and members.next),
        heed=told,
    )


async def _asked(visit: Visit, action: str, kind: Any, path: str, query: Parameters | None = None) -> Any:
    """Return an answer, or None where the visitor may not ask, or it can't be had now: the page does without."""
    if not visit.may(action, visit.tenant):
        return None
    try:
        return await visit.calls.read(kind, path, query, keep=True)
    except SeraiError:
        return None


async def _looks(visit: Visit, apps: Sequence[Descriptor]) -> Mapping[str, Look]:
    if not apps:
        return {}
    query: Parameters = {"tenant": visit.tenant, "apps": ",".join(one.name for one in apps), "limit": FEW}
    found = await _asked(visit, "series.read", Glance, "/v1/glance", query)
    return {one.app: one for one in found.items} if found is not None else {}


def _now(curves: Curves | None) -> Mapping[str, float]:
    """Return the last number of each curve."""
    found = {}
    for name, column in zip(curves.names, curves.columns[1:], strict=True) if curves is not None else ():
        last = next((value for value in reversed(column) if value is not None), None)
        if last is not None:
            found[name] = float(last)
    return found


def bars(facts: Facts) -> list[Bar]:
    """Return the quotas with what is taken of them."""
    quotas, need, found = facts.quotas, facts.need, []
    if need is not None:
        room = "What the instances that should run may take together"
        data = "What the data of its apps may take together, kept ones of deleted apps included"
        found = [
            _bar(facts, "Memory", "memory_mb", room, "memory", MIB),
            _bar(facts, "Disk", "disk_mb", data, "data", MIB),
            _bar(facts, "Processes", "processes", room, "processes", 1),
        ]
    if facts.waiting is not None:
        found.append(
            Bar(name="Waiting tasks", about="Of all apps together", used=facts.waiting, most=quotas.get("tasks", 1))
        )
    return found


def _bar(facts: Facts, name: str, field: str, about: str, now: str, unit: int) -> Bar:
    return Bar(
        name=name,
        about=about,
        used=(facts.need or {}).get(field, 0) * unit,
        most=facts.quotas.get(field, 0) * unit,
        octets=unit == MIB,
        now=facts.now.get(now),
    )


def needs_attention(visit: Visit, facts: Facts) -> Heed:
    """Return what somebody should look at: what the API tells, and what only this visitor can mend."""
    tenant, told = visit.tenant, facts.heed
    if not visit.may("member.write", tenant):
        return told
    own = []
    if not facts.more_members and all(one.spec.get("role") != "owner" for one in facts.members):
        advice = "Whoever owns it lets others in, and may delete its apps."
        own.append(_own(tenant, "Nobody owns this tenant.", advice, "Invite an owner", f"{visit.home}/people"))
    if tenant in visit.tenants():
        own += weak(visit, tenant)
    return msgspec.structs.replace(told, matters=[*told.matters, *own])


def weak(visit: Visit, tenant: str = "") -> list[Matter]:
    """Say that only a password protects the visitor's account, which has power over a tenant or, "", over all."""
    second = any(one == "totp" or one.startswith("passkey") for one in visit.factors)
    if second or not visit.may("member.write", tenant):
        return []
    text = f"A password alone opens your account, which has power over {'this tenant' if tenant else 'the platform'}."
    advice = "With a passkey or an authenticator app, a stolen password opens nothing."
    return [_own(tenant, text, advice, "Add a second factor", "/account")]


def _own(tenant: str, text: str, advice: str, link: str, path: str) -> Matter:
    fact = Fact(weight="warn", about="tenant", action="member.write", tenant=tenant, text=text, advice=advice)
    return Matter(fact=fact, path=path, link=link)
